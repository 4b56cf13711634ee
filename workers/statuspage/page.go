package statuspage

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"time"

	"vedette/pipeline/job"
)

// Condition is one thing that must hold for the process to be ready.
type Condition struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Queue is a line of the overview about the work that waits: Running of at most
// Limit in this process, Waiting for any, Depth in the whole stream.
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

// Config says where the page is and what it shows.
type Config struct {
	// Listen is the host:port of the page.
	Listen string
	Board  *Board
	// Ready tells the conditions of readiness; nil means always ready.
	Ready func() []Condition
	// Queues tells of the queues; nil means none.
	Queues func(ctx context.Context) []Queue
	// DeadLetters tells how many there are; nil means none.
	DeadLetters func(ctx context.Context) uint64
	// Pings takes the pings of jobs; nil means that none are taken.
	Pings Pinger
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Page serves the overview. It starts with Serve.
type Page struct {
	config   Config
	template *template.Template
}

//go:embed overview.html
var overview string

// New makes a page. The error says what of the configuration is missing.
func New(config Config) (*Page, error) {
	if config.Listen == "" || config.Board == nil {
		return nil, errors.New("make status page: found no address or no board, expected both")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	parsed, err := template.New("overview").Funcs(template.FuncMap{"ago": ago, "ms": ms}).Parse(overview)
	if err != nil {
		return nil, fmt.Errorf("make status page: %w", err)
	}
	return &Page{config: config, template: parsed}, nil
}

// A visitor who is slower than these is let go, so that none can hold a
// connection for ever.
const (
	headerTimeout = 5 * time.Second
	answerTimeout = 30 * time.Second
	closeTimeout  = 2 * time.Second
)

// Serve answers until ctx ends, then finishes the answers that it began. An
// error means that the address could not be had.
func (p *Page) Serve(ctx context.Context) error { return p.serve(ctx, p.Handler()) }

func (p *Page) serve(ctx context.Context, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.config.Listen)
	if err != nil {
		return fmt.Errorf("serve status page: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, WriteTimeout: answerTimeout,
		ErrorLog: slog.NewLogLogger(p.config.Logger.Handler(), slog.LevelDebug),
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
		return fmt.Errorf("serve status page: %w", err)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Handler is the page without its socket.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.overview)
	mux.HandleFunc("GET /status.json", p.status)
	p.health(mux)
	if p.config.Pings != nil {
		mux.HandleFunc("POST /ping/{token}", p.ping)
		mux.HandleFunc("POST /ping/{token}/{what}", p.ping)
	}
	return mux
}

func (p *Page) health(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { p.write(w, "text/plain", []byte("ok\n")) })
	mux.HandleFunc("GET /readyz", p.readyz)
}

// view is what the overview and its JSON show.
type view struct {
	Now        time.Time   `json:"now"`
	Ready      bool        `json:"ready"`
	Conditions []Condition `json:"conditions"`
	Monitors   []Row       `json:"monitors"`
	Queues     []Queue     `json:"queues"`
	// DeadLetters is how many jobs could not be done.
	DeadLetters uint64 `json:"dead_letters"`
}

// Title tells how many monitors are down, for those who keep the page in a tab.
func (v view) Title() string {
	down := 0
	for _, m := range v.Monitors {
		if m.Health == job.Down {
			down++
		}
	}
	if down == 0 {
		return "Vedette"
	}
	return fmt.Sprintf("%d DOWN · Vedette", down)
}

func (p *Page) view(ctx context.Context) view {
	v := view{Now: time.Now().UTC(), Monitors: p.config.Board.Rows()}
	v.Ready, v.Conditions = p.ready()
	if p.config.Queues != nil {
		v.Queues = p.config.Queues(ctx)
	}
	if p.config.DeadLetters != nil {
		v.DeadLetters = p.config.DeadLetters(ctx)
	}
	return v
}

func (p *Page) ready() (bool, []Condition) {
	if p.config.Ready == nil {
		return true, nil
	}
	conditions := p.config.Ready()
	for _, c := range conditions {
		if !c.OK {
			return false, conditions
		}
	}
	return true, conditions
}

func (p *Page) overview(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer // rendered whole first: half a page with status 200 would lie
	if err := p.template.Execute(&page, p.view(r.Context())); err != nil {
		p.config.Logger.ErrorContext(r.Context(), "render overview", "error", err)
		http.Error(w, "render overview: see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	p.write(w, "text/html; charset=utf-8", page.Bytes())
}

func (p *Page) status(w http.ResponseWriter, r *http.Request) {
	p.json(w, http.StatusOK, p.view(r.Context()))
}

func (p *Page) readyz(w http.ResponseWriter, _ *http.Request) {
	ready, conditions := p.ready()
	code := http.StatusOK
	if !ready {
		code = http.StatusServiceUnavailable
	}
	p.json(w, code, map[string]any{"ready": ready, "conditions": conditions})
}

func (p *Page) json(w http.ResponseWriter, code int, value any) {
	body, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		http.Error(w, "encode answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	p.body(w, append(body, '\n'))
}

func (p *Page) write(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	p.body(w, body)
}

func (p *Page) body(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		p.config.Logger.Debug("write answer", "error", err) // the visitor has gone
	}
}

// ago shows how long before now a time was, for people.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "never"
	}
	return now.Sub(then).Truncate(time.Second).String() + " ago"
}

// ms shows a latency in milliseconds, so that a column of them compares.
func ms(d job.Duration) string {
	return fmt.Sprintf("%.1f ms", d.Std().Seconds()*1000)
}
