package supervise

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotStarted is returned by [Supervisor.Stop] before Start.
var ErrNotStarted = errors.New("not started")

// background is a Serve begun by Start.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // Serve's, once done is closed
}

// Start serves in the background, and returns when every child is ready. ctx
// limits that wait only; the tree runs until [Supervisor.Stop]. Start is for
// programs without a main loop that could call Serve.
//
// The error is a [StartError] or ctx's error, after all started children have
// stopped; or [ErrServing].
func (s *Supervisor) Start(ctx context.Context) error {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r, err := s.begin(serving)
	if err != nil {
		cancel()
		return err
	}
	b := &background{cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.background = b
	s.mu.Unlock()
	go func() {
		defer close(b.done)
		b.err = s.serve(serving, r)
	}()
	select {
	case <-r.started:
		return nil
	case <-b.done:
		return b.err
	case <-ctx.Done():
		cancel()
		<-b.done
		return errors.Join(fmt.Errorf("start supervisor %s: %w", s.spec.Name, context.Cause(ctx)), b.err)
	}
}

// Done returns a channel that is closed when the Serve begun by Start has
// ended for any reason. It is nil before Start.
func (s *Supervisor) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.background == nil {
		return nil
	}
	return s.background.done
}

// Stop ends the Serve begun by [Supervisor.Start], waits for it until ctx ends,
// and returns its result: nil, the reason why the supervisor gave up earlier,
// or a [StuckError] naming the children that still run. Calling Stop again
// returns the same result. When ctx ends first, Stop returns its error and the
// stop continues; so a child may stop its own supervisor with its own context,
// which ends when the child must stop.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.mu.Lock()
	b := s.background
	s.mu.Unlock()
	if b == nil {
		return fmt.Errorf("stop supervisor %s: %w", s.spec.Name, ErrNotStarted)
	}
	b.cancel()
	select {
	case <-b.done:
		return b.err
	default:
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("stop supervisor %s: it continues: %w", s.spec.Name, context.Cause(ctx))
	}
}
