package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/nats-io/nats-server/v2/server"
)

// Healthy returns nil when the server has joined its cluster and all its data
// is up to date, otherwise an error that describes what is missing. A rolling
// update waits for this before it replaces the next node.
func (b *Broker) Healthy() error {
	status := b.current().Healthz(nil)
	if status.Error != "" {
		return fmt.Errorf("check nats-server: %w", errors.New(status.Error))
	}
	return nil
}

// Metrics serves the server's counters at the paths and in the format used by
// nats-server's monitoring: /varz, /jsz and /routez.
func (b *Broker) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /varz", jsonHandler(func() (any, error) { return b.current().Varz(nil) }))
	mux.HandleFunc("GET /jsz", jsonHandler(func() (any, error) { return b.current().Jsz(&server.JSzOptions{Streams: true}) }))
	mux.HandleFunc("GET /routez", jsonHandler(func() (any, error) { return b.current().Routez(nil) }))
	return mux
}

func jsonHandler(read func() (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		found, err := read()
		body, marshalErr := json.Marshal(found)
		if err = errors.Join(err, marshalErr); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // the client may be gone
	}
}

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
