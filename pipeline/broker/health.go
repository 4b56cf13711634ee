package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/nats-io/nats-server/v2/server"
)

// Healthy tells whether the server does its work: it has met its cluster, and
// all that it holds is up to date. While nodes are replaced one after the
// other, the next one has to wait for that. The error says what is missing.
func (b *Broker) Healthy() error {
	status := b.server.Healthz(nil)
	if status.Error != "" {
		return fmt.Errorf("check nats-server: %w", errors.New(status.Error))
	}
	return nil
}

// Metrics answers what the server counts, at the paths and in the form of
// nats-server's own monitoring: /varz, /jsz and /routez.
func (b *Broker) Metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /varz", answer(func() (any, error) { return b.server.Varz(nil) }))
	mux.HandleFunc("GET /jsz", answer(func() (any, error) { return b.server.Jsz(&server.JSzOptions{Streams: true}) }))
	mux.HandleFunc("GET /routez", answer(func() (any, error) { return b.server.Routez(nil) }))
	return mux
}

func answer(ask func() (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		found, err := ask()
		body, unwritable := json.Marshal(found)
		if err = errors.Join(err, unwritable); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // whoever asked may be gone
	}
}
