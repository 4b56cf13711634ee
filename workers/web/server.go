package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Timeouts for slow clients, which must not occupy a connection indefinitely.
const (
	headerTimeout   = 5 * time.Second
	responseTimeout = 30 * time.Second
	closeTimeout    = 2 * time.Second
)

// serveHTTP serves requests until ctx ends, and then completes the current ones.
func serveHTTP(ctx context.Context, address string, handler http.Handler, logger *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve http: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, WriteTimeout: responseTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		closed <- server.Shutdown(grace)
	})
	err = server.Serve(listener)
	if !stop() {
		err = errors.Join(<-closed, ignoreClosed(err))
	}
	if err != nil {
		return fmt.Errorf("serve http: %w", err)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func writeJSON(w http.ResponseWriter, logger *slog.Logger, code int, value any) {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		http.Error(w, "encode response: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	writeBody(w, logger, append(body, '\n'))
}

func writeResponse(w http.ResponseWriter, logger *slog.Logger, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	writeBody(w, logger, body)
}

func writeBody(w http.ResponseWriter, logger *slog.Logger, body []byte) {
	if _, err := w.Write(body); err != nil {
		logger.Debug("response not written: client disconnected", "error", err)
	}
}
