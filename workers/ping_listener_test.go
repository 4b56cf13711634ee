package workers_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/workers"
)

const token = "0123456789abcdef"

// listen serves a listener until the returned function is called.
func listen(t *testing.T, p *pipeline.Pipeline, request func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- workers.NewPingListener(workers.PingListenerConfig{Pipeline: p, Request: request}).Serve(ctx)
	}()
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v, want no error", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// mark returns the newest mark.
func mark(t *testing.T, p *pipeline.Pipeline) (job.Listening, pipeline.Delivery) {
	t.Helper()
	d, err := inspect.LastDelivery(t.Context(), p, topology.Ping, topology.ListeningSubject())
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.Listening{}, d
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := job.Decode[job.Listening](d.Body)
	if err != nil {
		t.Fatal(err)
	}
	return found, d
}

func TestAbsencesAreSharedByAllListenersAndSurviveRestarts(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	reachable := func(context.Context) error { return nil }
	stopA, stopB := listen(t, p, reachable), listen(t, p, reachable)
	renewed := func(after uint64) func() bool {
		return func() bool { _, d := mark(t, p); return d.Sequence > after }
	}
	pipelinetest.Eventually(t, "some marks", renewed(3))
	stopA()
	_, before := mark(t, p)
	pipelinetest.Eventually(t, "the mark renewed by the other process", renewed(before.Sequence+1))
	if found, d := mark(t, p); len(found.Past(d.Stored)) > 0 && d.Stored.Sub(before.Stored) < job.MaxMarkAge {
		t.Errorf("got %+v, want no absence while one of two processes takes pings", found)
	}
	stopB()
	_, last := mark(t, p)

	// A process whose own listener does not answer takes no pings.
	tried := make(chan struct{}, 100)
	var broken atomic.Bool
	broken.Store(true)
	listen(t, p, func(context.Context) error {
		tried <- struct{}{}
		if broken.Load() {
			return errors.New("too many open files")
		}
		return nil
	})
	<-tried
	pipelinetest.Eventually(t, "an absence that lasts", func() bool {
		pings, err := workers.ReadPings(t.Context(), p, token, time.Now())
		return err == nil && !pings.Listening && len(pings.Absences) == 1 && pings.Absences[0].From.Equal(last.Stored)
	})
	broken.Store(false)
	pipelinetest.Eventually(t, "a new mark", renewed(last.Sequence))
	_, first := mark(t, p)
	pipelinetest.Eventually(t, "the absence in later marks", func() bool {
		found, _ := mark(t, p)
		return len(found.Absences) > 0
	})
	found, _ := mark(t, p)
	if got := found.Absences[0]; !got.From.Equal(last.Stored) || got.To.After(first.Stored) || got.To.Sub(got.From) < job.MaxMarkAge {
		t.Errorf("got %+v, want it from %s to at most %s", got, last.Stored, first.Stored)
	}
}

// An unknown token may be one that is not read yet.
func TestPingsAreRefusedForALaterTryUntilTheTokensAreKnown(t *testing.T) {
	t.Parallel()
	h := workers.NewHeartbeats(pipelinetest.New(t, pipeline.Config{}))
	if known, err := h.Ping(t.Context(), token, job.PingOK, job.Ping{}); err == nil || known {
		t.Errorf("got %v, %v, want an error before the definitions are read", known, err)
	}
	h.SetLoaded()
	if known, err := h.Ping(t.Context(), token, job.PingOK, job.Ping{}); err != nil || known {
		t.Errorf("got %v, %v, want it unknown", known, err)
	}
	h.Define(job.Monitor{Name: "a", Spec: job.Spec{Heartbeat: &job.Heartbeat{Token: token}}})
	if known, err := h.Ping(t.Context(), token, job.PingOK, job.Ping{}); err != nil || !known {
		t.Errorf("got %v, %v, want it stored", known, err)
	}
}
