package workers_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers"
)

// outbox is a publisher that keeps the messages, or refuses them.
type outbox struct {
	mu       sync.Mutex
	err      error
	messages []job.Results
}

func (o *outbox) Publish(_ context.Context, m pipeline.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	results, err := job.Decode[job.Results](m.Body)
	o.messages = append(o.messages, results)
	return err
}

func submitAll(ctx context.Context, b *workers.ResultBatcher, n int) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = b.Submit(ctx, job.Result{Monitor: strconv.Itoa(i)}) })
	}
	group.Wait()
	return errs
}

func TestResultsShareMessagesAndSubmitReturnsWhenTheResultIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out outbox
		b := workers.NewResultBatcher(&out, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Serve(ctx) }()
		for i, err := range submitAll(t.Context(), b, 250) {
			if err != nil {
				t.Errorf("result %d: got %v, want nil", i, err)
			}
		}
		if got := len(out.messages); got != 7 {
			t.Errorf("got %d messages, want 250 results in 7", got)
		}
		seen := map[string]bool{}
		for _, message := range out.messages {
			for _, r := range message.Results {
				seen[r.Monitor] = true
			}
		}
		if len(seen) != 250 {
			t.Errorf("got %d different results, want 250", len(seen))
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v, want nil", err)
		}
		if err := b.Submit(t.Context(), job.Result{}); !errors.Is(err, workers.ErrBatcherStopped) {
			t.Errorf("got %v after Serve returned, want ErrBatcherStopped", err)
		}
	})
}

func TestRefusedBatchFailsAllItsResults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := outbox{err: pipeline.ErrFull}
		b := workers.NewResultBatcher(&out, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Serve(ctx) }()
		for i, err := range submitAll(t.Context(), b, 5) {
			if !errors.Is(err, pipeline.ErrFull) {
				t.Errorf("result %d: got %v, want ErrFull", i, err)
			}
		}
		cancel()
		<-done
	})
}

// pairs is a publisher that stores two messages at a time.
type pairs struct{ partner chan struct{} }

func (p *pairs) Publish(ctx context.Context, _ pipeline.Message) error {
	select {
	case p.partner <- struct{}{}:
	case <-p.partner:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func TestBatchesAreSentInParallel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := workers.NewResultBatcher(&pairs{partner: make(chan struct{})}, 0)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Serve(ctx) }()
		for i, err := range submitAll(t.Context(), b, 400) { // four batches
			if err != nil {
				t.Errorf("result %d: got %v, want it stored together with another batch", i, err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}
