package supervise

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotStarted is returned by [Supervisor.Stop] when nobody called Start.
var ErrNotStarted = errors.New("not started")

// background is a Serve that Start began.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // Serve's, once done is closed
}

// Start serves in the background, and returns when every child is ready. ctx
// bounds the waiting for that, not the life of the tree, which lasts until
// [Supervisor.Stop]. It is for programs that have no main loop to call Serve in.
//
// The error is a [StartError], after all that had been started was stopped;
// that of ctx, likewise; or [ErrServing].
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
	case <-r.up:
		return nil
	case <-b.done:
		return b.err
	case <-ctx.Done():
		cancel()
		<-b.done
		return errors.Join(fmt.Errorf("start supervisor %s: %w", s.spec.Name, context.Cause(ctx)), b.err)
	}
}

// Done returns a channel that is closed when what Start began has ended, by
// Stop or by itself. It is nil before Start.
func (s *Supervisor) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.background == nil {
		return nil
	}
	return s.background.done
}

// Stop stops what [Supervisor.Start] began, waits for it until ctx ends, and
// returns what Serve returned: nil, or why the supervisor had given up before,
// or a [StuckError] that names the children that are still there. Calling it
// again returns the same. When ctx ends first, its error is returned and the
// stop goes on; so a child may stop its own supervisor with its own context,
// which ends when its turn has come.
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
		return fmt.Errorf("stop supervisor %s: it goes on: %w", s.spec.Name, context.Cause(ctx))
	}
}
