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

// stage is where scripted children act, and what they did: +a is "a started",
// -a is "a stopped when told to".
type stage struct {
	mu    sync.Mutex
	trace []string
	acts  map[string]chan func() error
}

func newStage() *stage { return &stage{acts: map[string]chan func() error{}} }

func (s *stage) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, what)
}

// told returns what happened since the last call.
func (s *stage) told() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	told := strings.Join(s.trace, " ")
	s.trace = nil
	return told
}

// child runs until it is stopped, or until act makes it do something else. It
// notes how it ends only when it is stopped, as the recorded traces do.
func (s *stage) child(name string, options ...func(*supervise.Child)) supervise.Child {
	act := make(chan func() error)
	s.acts[name] = act
	child := supervise.Child{Name: name, StartTimeout: time.Second, Service: supervise.ServiceFunc(func(ctx context.Context) error {
		s.note("+" + name)
		supervise.Ready(ctx)
		select {
		case <-ctx.Done():
			s.note("-" + name)
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

// patience is a shutdown time; the child stops only after it was told that long ago.
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

// act makes a child end in some way.
func (s *stage) act(name string, do func() error) {
	s.acts[name] <- do
	synctest.Wait()
}

// children are children with the names.
func (s *stage) children(names ...string) []supervise.Child {
	children := make([]supervise.Child, len(names))
	for i, name := range names {
		children[i] = s.child(name)
	}
	return children
}

var errBoom = errors.New("boom")

func boom() error { return errBoom }

func fine() error { return nil }

// served is a supervisor that serves.
type served struct {
	*supervise.Supervisor

	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

// serve runs a supervisor until the end of the test.
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

// stop ends it, and returns what Serve returned.
func (s *served) stop() error {
	s.cancel()
	return <-s.done
}

// stopFine ends it, and expects no error.
func (s *served) stopFine() {
	s.t.Helper()
	if err := s.stop(); err != nil {
		s.t.Errorf("got %v from Serve, want nil", err)
	}
}

// alive tells whether Serve has not returned.
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

// child is the status of a child.
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
