package storage_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/health"
	"vedette/workers/storage"
)

// brokenServer is a server that a restart mends, once its directory can be written.
// It is no NATS server: the real one is restarted in the end-to-end tests.
type brokenServer struct {
	mu        sync.Mutex
	directory error
	streams   error
	refuses   int // restarts to come that fail
	hangs     chan struct{}
	done      []string
}

func (s *brokenServer) CheckDirectory(int) error {
	s.mu.Lock()
	hangs, err := s.hangs, s.directory
	s.mu.Unlock()
	if hangs != nil {
		<-hangs
	}
	return err
}

func (s *brokenServer) CheckStreams() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams
}

func (s *brokenServer) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, "restart")
	if s.refuses > 0 {
		s.refuses--
		return errors.New("no port")
	}
	s.streams = nil
	return nil
}

func (s *brokenServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// watch runs a watch of a server in a synctest bubble while steps runs.
func watch(t *testing.T, config storage.Config, steps func(conditions *health.Conditions)) {
	t.Helper()
	config.Conditions, config.Logger = health.NewConditions(time.Now), slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- storage.NewWatch(config).Serve(ctx) }()
	steps(config.Conditions)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// after lets time pass, and returns why the storage has failed; empty if it works.
func after(d time.Duration, conditions *health.Conditions) job.ProcessConditionReason {
	<-time.After(d)
	synctest.Wait()
	c, _ := conditions.Find(job.ProcessStorage)
	return c.Reason
}

func TestStreamsAreExaminedAfterARestartUntilThatSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &brokenServer{}
		examined := 0
		watch(t, storage.Config{Server: s, Restarted: func(context.Context) error {
			s.set(func() { s.done = append(s.done, "examine") })
			examined++
			if examined < 3 {
				return errors.New("no answer")
			}
			return nil
		}}, func(conditions *health.Conditions) {
			if got := after(time.Minute, conditions); got != "" {
				t.Errorf("got %q from a healthy server, want none", got)
			}
			full := &job.ConditionError{Reason: job.FaultDiskFull, Detail: "full"}
			s.set(func() { s.directory, s.streams, s.refuses = full, errors.New("write error"), 1 })
			if got := after(time.Minute, conditions); got != job.FaultDiskFull || len(s.done) != 0 {
				t.Errorf("got %q and %v while the disk is full, want no restart", got, s.done)
			}
			s.set(func() { s.directory = nil })
			if got := after(10*time.Second, conditions); got != "" {
				t.Errorf("got %q ten seconds after there was room, want none", got)
			}
			if want := []string{"restart", "restart", "examine", "examine", "examine"}; !slices.Equal(s.done, want) {
				t.Errorf("got %v, want %v", s.done, want)
			}
		})
	})
}

func TestDiskThatDoesNotAnswerIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &brokenServer{}
		watch(t, storage.Config{Server: s}, func(conditions *health.Conditions) {
			after(time.Second, conditions)
			hangs := make(chan struct{})
			s.set(func() { s.hangs = hangs })
			if got := after(20*time.Second, conditions); got != job.FaultDiskStalled {
				t.Errorf("got %q, want %q", got, job.FaultDiskStalled)
			}
			s.set(func() { s.hangs = nil })
			close(hangs)
			if got := after(2*time.Second, conditions); got != "" {
				t.Errorf("got %q once the disk answers, want none", got)
			}
		})
	})
}

func TestLossIsReportedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &brokenServer{directory: &job.ConditionError{Reason: job.FaultDataRemoved, Detail: "removed"}}
		lost := 0
		watch(t, storage.Config{Server: s, Lost: func(context.Context, string) { lost++ }}, func(conditions *health.Conditions) {
			if got := after(time.Minute, conditions); got != job.FaultDataRemoved || lost != 1 {
				t.Errorf("got %q and %d calls, want %q and one", got, lost, job.FaultDataRemoved)
			}
		})
	})
}
