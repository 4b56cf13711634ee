package broker

import (
	"fmt"
	"log/slog"
)

// logAdapter gives the server's words to a slog logger. Its notices are many
// and concern only itself, so they are for debugging.
type logAdapter struct {
	log   *slog.Logger
	fatal chan string // gets the first word of why the server cannot go on
}

func (a *logAdapter) Noticef(format string, v ...any) { a.say(a.log.Debug, format, v) }
func (a *logAdapter) Warnf(format string, v ...any)   { a.say(a.log.Warn, format, v) }
func (a *logAdapter) Errorf(format string, v ...any)  { a.say(a.log.Error, format, v) }
func (a *logAdapter) Debugf(format string, v ...any)  { a.say(a.log.Debug, format, v) }
func (a *logAdapter) Tracef(format string, v ...any)  { a.say(a.log.Debug, format, v) }

// Fatalf tells what nats-server as a program would end with.
func (a *logAdapter) Fatalf(format string, v ...any) {
	a.say(a.log.Error, format, v)
	select {
	case a.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

func (*logAdapter) say(level func(string, ...any), format string, v []any) {
	level("nats-server", "message", fmt.Sprintf(format, v...))
}
