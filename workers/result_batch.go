package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Publisher stores messages; *pipeline.Pipeline is one.
type Publisher interface {
	Publish(ctx context.Context, m pipeline.Message) error
}

// A batch is sent when it has batchSize results, or batchWait after its first
// result. One message per result was measured to double the cost of the whole
// pipeline; more than a few dozen results per message save nothing, but cost
// memory: the server keeps thousands of delivery buffers, and each grows to the
// largest message that it ever held. A hundred results per message cost 120 MB.
const (
	batchSize = 40
	batchWait = 20 * time.Millisecond
	// batchesInFlight is how many batches are sent in parallel, so that a slow
	// server does not limit the number of checks.
	batchesInFlight = 8
	// batchBytes bounds the size of a batch, well below the pipeline's limit.
	batchBytes = topology.MaxMessage / 4
)

// ErrBatcherStopped is returned by Submit when the batcher no longer serves. The
// result was not stored, and its check must be repeated.
var ErrBatcherStopped = errors.New("result batcher has stopped")

// ResultBatcher gathers results into batches, so that many checks share one
// message. Submit returns when the result is stored, so that its check can be
// acknowledged.
type ResultBatcher struct {
	to        Publisher
	partition int
	queue     chan submission
	stopped   chan struct{}
}

type submission struct {
	body []byte
	done chan<- error
}

// NewResultBatcher makes a batcher for one partition of the results.
func NewResultBatcher(to Publisher, partition int) *ResultBatcher {
	return &ResultBatcher{to: to, partition: partition, queue: make(chan submission, batchSize), stopped: make(chan struct{})}
}

// Submit stores a result together with others, and returns when it is stored.
// After an error the result is not stored, or not known to be: ctx ended, the
// batcher stopped ([ErrBatcherStopped]), or the pipeline refused the batch.
func (b *ResultBatcher) Submit(ctx context.Context, result job.Result) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("submit result: %w", err) // the job may already belong to another process
	}
	body, err := job.Encode(result)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	select {
	case b.queue <- submission{body: body, done: done}:
	case <-b.stopped:
		return ErrBatcherStopped
	case <-ctx.Done():
		return fmt.Errorf("submit result: %w", ctx.Err())
	}
	select {
	case err := <-done:
		return err
	case <-b.stopped:
		return lastError(done)
	case <-ctx.Done():
		return fmt.Errorf("await stored result: %w", ctx.Err())
	}
}

// lastError returns the error for a result that was sent just before the end.
func lastError(done <-chan error) error {
	select {
	case err := <-done:
		return err
	default:
		return ErrBatcherStopped
	}
}

// Serve sends batches until ctx ends, and then sends the results that wait. It
// can be called once.
func (b *ResultBatcher) Serve(ctx context.Context) error {
	defer close(b.stopped)
	var sending errgroup.Group
	sending.SetLimit(batchesInFlight)
	defer sending.Wait() //nolint:errcheck // each submitter receives the error
	for {
		select {
		case first := <-b.queue:
			batch := b.gather(ctx, first)
			sending.Go(func() error {
				b.send(ctx, batch)
				return nil
			})
		case <-ctx.Done():
			b.flush(ctx)
			return nil
		}
	}
}

// gather waits for further results to send with the first one.
func (b *ResultBatcher) gather(ctx context.Context, first submission) []submission {
	batch, size := []submission{first}, len(first.body)
	wait := time.NewTimer(batchWait)
	defer wait.Stop()
	for len(batch) < batchSize && size < batchBytes {
		select {
		case next := <-b.queue:
			batch, size = append(batch, next), size+len(next.body)
		case <-wait.C:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
	return batch
}

func (b *ResultBatcher) flush(ctx context.Context) {
	for {
		select {
		case first := <-b.queue:
			b.send(ctx, []submission{first})
		default:
			return
		}
	}
}

// sendTimeout bounds the time for storing a batch while the server is away; its
// checks are then repeated.
const sendTimeout = 10 * time.Second

// send stores a batch, and returns the error to all submitters. It finishes even
// while the process stops.
func (b *ResultBatcher) send(ctx context.Context, batch []submission) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	err := b.to.Publish(ctx, pipeline.Message{Subject: topology.ResultSubject(b.partition), Body: encodeBatch(batch)})
	if err != nil {
		err = fmt.Errorf("store results: %w", err)
	}
	for _, s := range batch {
		s.done <- err
	}
}

// encodeBatch makes a [job.Results] from encoded results, so that each result is
// encoded only once.
func encodeBatch(batch []submission) []byte {
	size := 32
	for _, s := range batch {
		size += len(s.body) + 1
	}
	body := make([]byte, 0, size)
	body = fmt.Appendf(body, `{"v":%d,"results":[`, job.Version)
	for i, s := range batch {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, s.body...)
	}
	return append(body, ']', '}')
}
