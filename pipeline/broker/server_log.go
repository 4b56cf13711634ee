package broker

import (
	"fmt"
	"log/slog"
)

// logAdapter passes the server's log to a slog logger. Its frequent notices
// concern only the server, so they get the debug level.
type logAdapter struct {
	logger *slog.Logger
	fatal  chan string // receives the first fatal message
}

func (a *logAdapter) Noticef(format string, v ...any) { a.write(a.logger.Debug, format, v) }
func (a *logAdapter) Warnf(format string, v ...any)   { a.write(a.logger.Warn, format, v) }
func (a *logAdapter) Errorf(format string, v ...any)  { a.write(a.logger.Error, format, v) }
func (a *logAdapter) Debugf(format string, v ...any)  { a.write(a.logger.Debug, format, v) }
func (a *logAdapter) Tracef(format string, v ...any)  { a.write(a.logger.Debug, format, v) }

// Fatalf logs an error at which nats-server as a program would exit.
func (a *logAdapter) Fatalf(format string, v ...any) {
	a.write(a.logger.Error, format, v)
	select {
	case a.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

func (*logAdapter) write(level func(string, ...any), format string, v []any) {
	level("nats-server", "message", fmt.Sprintf(format, v...))
}
