package statuspage

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
)

// HealthConfig says where a process without a page tells how it is.
type HealthConfig struct {
	// Listen is the host:port of /healthz and /readyz.
	Listen string
	// Ready tells the conditions of readiness; nil means always ready.
	Ready func() []Condition
	// More answers all other paths; nil means that there are none.
	More http.Handler
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Health answers the two questions that machines ask. It starts with Serve.
type Health struct {
	page *Page
	more http.Handler
}

// NewHealth makes a health page. The error says what of the configuration is
// missing.
func NewHealth(config HealthConfig) (*Health, error) {
	if config.Listen == "" {
		return nil, errors.New("make health page: found no address, expected one")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	page := &Page{config: Config{Listen: config.Listen, Ready: config.Ready, Logger: config.Logger}}
	return &Health{page: page, more: config.More}, nil
}

// Serve answers until ctx ends, then finishes the answers that it began. An
// error means that the address could not be had.
func (h *Health) Serve(ctx context.Context) error {
	mux := http.NewServeMux()
	h.page.health(mux)
	if h.more != nil {
		mux.Handle("GET /", h.more)
	}
	return h.page.serve(ctx, mux)
}
