package supervise_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vedette/pipeline/supervise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness controls scripted children and records a trace: +a is "a started", -a
// is "a stopped on request".
type harness struct {
	mu    sync.Mutex
	trace []string
	acts  map[string]chan func() error
}

func newHarness() *harness { return &harness{acts: map[string]chan func() error{}} }

func (h *harness) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trace = append(h.trace, what)
}

// takeTrace returns the trace since the last call.
func (h *harness) takeTrace() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	trace := strings.Join(h.trace, " ")
	h.trace = nil
	return trace
}

// child returns a child that runs until it is stopped, or until act makes it do
// something else. Like the recorded traces, it notes only stops, not other ends.
func (h *harness) child(name string, options ...func(*supervise.Child)) supervise.Child {
	act := make(chan func() error)
	h.acts[name] = act
	child := supervise.Child{Name: name, StartTimeout: time.Second, Service: supervise.ServiceFunc(func(ctx context.Context) error {
		h.note("+" + name)
		supervise.Ready(ctx)
		select {
		case <-ctx.Done():
			h.note("-" + name)
			return ctx.Err()
		case do := <-act:
			return do()
		}
	})}
	for _, option := range options {
		option(&child)
	}
	return child
}

func kind(r supervise.Restart) func(*supervise.Child) {
	return func(c *supervise.Child) { c.Restart = r }
}

func significant(c *supervise.Child) { c.Significant = true }

// slow makes the child take a while to stop.
func slow(takes, shutdown time.Duration) func(*supervise.Child) {
	return func(c *supervise.Child) {
		service := c.Service
		c.Shutdown = shutdown
		c.Service = supervise.ServiceFunc(func(ctx context.Context) error {
			err := service.Serve(ctx)
			time.Sleep(takes)
			return err
		})
	}
}

// act has a child end by calling do.
func (h *harness) act(name string, do func() error) {
	h.acts[name] <- do
	synctest.Wait()
}

// children returns children with the names.
func (h *harness) children(names ...string) []supervise.Child {
	children := make([]supervise.Child, len(names))
	for i, name := range names {
		children[i] = h.child(name)
	}
	return children
}

var errBoom = errors.New("boom")

func boom() error { return errBoom }

func fine() error { return nil }

// served is a supervisor while it serves.
type served struct {
	*supervise.Supervisor

	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

// serve runs a supervisor until the test ends.
func serve(t *testing.T, spec supervise.Spec) *served {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "test"
	}
	sup, err := supervise.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &served{Supervisor: sup, t: t, cancel: cancel, done: make(chan error, 1)}
	go func() { s.done <- sup.Serve(ctx) }()
	synctest.Wait()
	return s
}

// stop stops the supervisor, and returns the result of Serve.
func (s *served) stop() error {
	s.cancel()
	return <-s.done
}

// stopFine stops the supervisor, and expects no error.
func (s *served) stopFine() {
	s.t.Helper()
	if err := s.stop(); err != nil {
		s.t.Errorf("got %v from Serve, want nil", err)
	}
}

// alive reports whether Serve has not returned.
func (s *served) alive() bool {
	synctest.Wait()
	select {
	case err := <-s.done:
		s.done <- err
		return false
	default:
		return true
	}
}

// child returns the status of a child.
func (s *served) child(name string) supervise.ChildStatus {
	s.t.Helper()
	synctest.Wait()
	for _, c := range s.Children() {
		if c.Name == name {
			return c
		}
	}
	return supervise.ChildStatus{}
}

func (s *served) wantState(name string, state supervise.State) {
	s.t.Helper()
	if got := s.child(name).State; got != state {
		s.t.Errorf("child %s: got state %q, want %q", name, got, state)
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func wantNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got %v, want %v", err, target)
	}
}

// long is longer than any back-off.
const long = 46 * time.Second
