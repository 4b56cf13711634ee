package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/supervise"
)

func TestOutageIsNoFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p := pipelinetest.Connect(t, b, pipeline.Config{})
	errBoom := errors.New("boom")
	failing := p.TolerateOutage(supervise.ServiceFunc(func(context.Context) error { return errBoom }))
	if err := failing.Serve(t.Context()); !errors.Is(err, errBoom) || errors.Is(err, supervise.ErrUnavailable) || p.Away(time.Hour) {
		t.Errorf("got %v with the server there, want the plain error", err)
	}
	leaderless := p.TolerateOutage(supervise.ServiceFunc(func(context.Context) error { return fmt.Errorf("ask: %w", context.DeadlineExceeded) }))
	if err := leaderless.Serve(t.Context()); !errors.Is(err, supervise.ErrUnavailable) {
		t.Errorf("got %v with a server that does not answer, want it excused", err)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Eventually(t, "a lost connection", func() bool { return p.Away(0) })
	if err := failing.Serve(t.Context()); !errors.Is(err, errBoom) || !errors.Is(err, supervise.ErrUnavailable) {
		t.Errorf("got %v with the server away, want it excused", err)
	}
	fine := p.TolerateOutage(supervise.ServiceFunc(func(context.Context) error { return nil }))
	if err := fine.Serve(t.Context()); err != nil {
		t.Errorf("got %v for a normal end, want nil", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if err := failing.Serve(stopped); errors.Is(err, supervise.ErrUnavailable) {
		t.Errorf("got %v after a stop request, want the plain error", err)
	}
}
