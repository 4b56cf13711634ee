package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"

	"vedette/pipeline/job"
	"vedette/workers/health"
)

// healthEndpoints serves /healthz and /readyz.
type healthEndpoints struct {
	conditions func() []job.ProcessCondition // nil means always ready
	logger     *slog.Logger
}

func (h *healthEndpoints) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeResponse(w, h.logger, "text/plain", []byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", h.serveReady)
}

func (h *healthEndpoints) ready() (bool, []job.ProcessCondition) {
	if h.conditions == nil {
		return true, nil
	}
	conditions := h.conditions()
	return health.Ready(conditions), conditions
}

func (h *healthEndpoints) serveReady(w http.ResponseWriter, _ *http.Request) {
	ready, conditions := h.ready()
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, h.logger, code, map[string]any{"ready": ready, "conditions": conditions})
}

// HealthServerConfig configures a [HealthServer].
type HealthServerConfig struct {
	// Listen is the host:port for /healthz and /readyz.
	Listen string
	// Ready returns the conditions for readiness; nil means always ready.
	Ready func() []job.ProcessCondition
	// Fallback serves all other paths, if not nil.
	Fallback http.Handler
	// Logger defaults to discarding everything.
	Logger *slog.Logger
}

// HealthServer serves /healthz and /readyz for a process without a status page.
type HealthServer struct{ config HealthServerConfig }

// NewHealthServer returns a server that starts with Serve. The error describes
// an invalid configuration.
func NewHealthServer(config HealthServerConfig) (*HealthServer, error) {
	if config.Listen == "" {
		return nil, errors.New("create health server: found no address, expected one")
	}
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	return &HealthServer{config}, nil
}

// Serve serves requests until ctx ends, and then completes the current ones. An
// error means that it could not listen.
func (h *HealthServer) Serve(ctx context.Context) error {
	mux := http.NewServeMux()
	endpoints := healthEndpoints{conditions: h.config.Ready, logger: h.config.Logger}
	endpoints.register(mux)
	if h.config.Fallback != nil {
		mux.Handle("GET /", h.config.Fallback)
	}
	return serveHTTP(ctx, h.config.Listen, mux, h.config.Logger)
}
