// Package web serves the status page, the same data as JSON, the endpoints
// /healthz (the process is alive) and /readyz (the process can work), and the
// pings from jobs.
package web

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"vedette/pipeline/job"
)

// Queue describes a queue on the status page: Running jobs and their Limit in
// this process, Waiting jobs for any process, and Depth, the size of the whole
// stream.
type Queue struct {
	Name      string       `json:"name"`
	Running   int          `json:"running"`
	Limit     int          `json:"limit"`
	Waiting   uint64       `json:"waiting"`
	Depth     uint64       `json:"depth"`
	OldestAge job.Duration `json:"oldest_age"`
	Done      uint64       `json:"done"`
	Failed    uint64       `json:"failed"`
}

// StatusPageConfig configures a [StatusPage].
type StatusPageConfig struct {
	// Listen is the host:port for the page.
	Listen   string
	Monitors *MonitorTable
	// Ready returns the conditions for readiness; nil means always ready.
	Ready func() []job.ProcessCondition
	// Queues returns the queues; nil means none.
	Queues func(ctx context.Context) []Queue
	// DeadLetters returns the number of dead letters; nil means none.
	DeadLetters func(ctx context.Context) uint64
	// Pings stores the pings from jobs; nil rejects pings.
	Pings PingStore
	// Logger defaults to discarding everything.
	Logger *slog.Logger
}

// StatusPage serves the status page and all other endpoints.
type StatusPage struct {
	config   StatusPageConfig
	health   healthEndpoints
	template *template.Template
}

//go:embed status_page.html
var pageTemplate string

// NewStatusPage returns a status page that starts with Serve. The error
// describes an invalid configuration.
func NewStatusPage(config StatusPageConfig) (*StatusPage, error) {
	if config.Listen == "" || config.Monitors == nil {
		return nil, errors.New("create status page: found no address or no monitor table, expected both")
	}
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	parsed, err := template.New("status page").Funcs(template.FuncMap{"ago": ago, "ms": milliseconds}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("create status page: %w", err)
	}
	return &StatusPage{config: config, health: healthEndpoints{conditions: config.Ready, logger: config.Logger}, template: parsed}, nil
}

// Serve serves requests until ctx ends, and then completes the current ones. An
// error means that it could not listen.
func (p *StatusPage) Serve(ctx context.Context) error {
	return serveHTTP(ctx, p.config.Listen, p.Handler(), p.config.Logger)
}

// Handler returns the handler for all endpoints.
func (p *StatusPage) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.serveHTML)
	mux.HandleFunc("GET /status.json", p.serveJSON)
	p.health.register(mux)
	if p.config.Pings != nil {
		mux.HandleFunc("POST /ping/{token}", p.servePing)
		mux.HandleFunc("POST /ping/{token}/{what}", p.servePing)
	}
	return mux
}

// status is the content of the page and its JSON.
type status struct {
	Now         time.Time              `json:"now"`
	Ready       bool                   `json:"ready"`
	Conditions  []job.ProcessCondition `json:"conditions"`
	Monitors    []Row                  `json:"monitors"`
	Queues      []Queue                `json:"queues"`
	DeadLetters uint64                 `json:"dead_letters"`
}

// Title includes the number of down monitors, visible in a browser tab.
func (s status) Title() string {
	down := 0
	for _, m := range s.Monitors {
		if m.Health == job.Down {
			down++
		}
	}
	if down == 0 {
		return "Vedette"
	}
	return fmt.Sprintf("%d DOWN · Vedette", down)
}

func (p *StatusPage) status(ctx context.Context) status {
	s := status{Now: time.Now().UTC(), Monitors: p.config.Monitors.Rows()}
	s.Ready, s.Conditions = p.health.ready()
	if p.config.Queues != nil {
		s.Queues = p.config.Queues(ctx)
	}
	if p.config.DeadLetters != nil {
		s.DeadLetters = p.config.DeadLetters(ctx)
	}
	return s
}

func (p *StatusPage) serveHTML(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer // rendered completely before the status code is sent
	if err := p.template.Execute(&page, p.status(r.Context())); err != nil {
		p.config.Logger.ErrorContext(r.Context(), "status page could not be rendered", "error", err)
		http.Error(w, "render status page: see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	writeResponse(w, p.config.Logger, "text/html; charset=utf-8", page.Bytes())
}

func (p *StatusPage) serveJSON(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, p.config.Logger, http.StatusOK, p.status(r.Context()))
}

// ago formats the time from then until now.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "never"
	}
	return max(0, now.Sub(then)).Truncate(time.Second).String() + " ago"
}

// milliseconds formats a latency, always in the same unit for comparison.
func milliseconds(d job.Duration) string {
	return fmt.Sprintf("%.1f ms", d.Std().Seconds()*1000)
}
