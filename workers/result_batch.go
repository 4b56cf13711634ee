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

// A batch is sent when it holds this many results, or when its first one has
// waited this long. One message for each result doubled the cost of the whole
// pipeline when that was measured; from some dozens on, more save nothing. They
// cost memory instead: the server keeps thousands of buffers for messages to
// deliver, and each grows to the largest that it ever held. With a hundred results
// in a message that was 120 MB.
const (
	batchSize = 40
	batchWait = 20 * time.Millisecond
	// batchesInFlight is how many are on their way at once: where the server takes
	// its time, one after the other would bound how many checks can be made.
	batchesInFlight = 8
	// resultRoom is how many bytes of a message a batch fills at most, well
	// below what the pipeline takes.
	resultRoom = topology.MaxMessage / 4
)

// ErrBatcherStopped is returned by Submit when the batcher no longer serves:
// the result was not stored, and its check is to be run again.
var ErrBatcherStopped = errors.New("results are no longer taken")

// ResultBatcher gathers results into batches, so that a check costs a part of a
// message. Its Submit returns when the result is stored, so that whoever made
// the check can acknowledge it.
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

// NewResultBatcher makes a batcher for one partition of the results. It starts with
// Serve.
func NewResultBatcher(to Publisher, partition int) *ResultBatcher {
	return &ResultBatcher{to: to, partition: partition, queue: make(chan submission, batchSize), stopped: make(chan struct{})}
}

// Submit stores a result, together with others, and returns when it is stored.
// The error says that it is not, or not known to be: ctx ended, the batcher
// stopped ([ErrBatcherStopped]), or the pipeline refused.
func (b *ResultBatcher) Submit(ctx context.Context, result job.Result) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("submit result: %w", err) // a handler whose job was taken from it has no say any more
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
		return lastWord(done)
	case <-ctx.Done():
		return fmt.Errorf("await storing of result: %w", ctx.Err())
	}
}

// lastWord looks whether the result was stored just before the end.
func lastWord(done <-chan error) error {
	select {
	case err := <-done:
		return err
	default:
		return ErrBatcherStopped
	}
}

// Serve sends batches until ctx ends; what waits then is sent before it
// returns. It serves once.
func (b *ResultBatcher) Serve(ctx context.Context) error {
	defer close(b.stopped)
	var sending errgroup.Group
	sending.SetLimit(batchesInFlight)
	defer sending.Wait() //nolint:errcheck // each batch has told those who wait for it
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

// gather waits for more to go with the first result.
func (b *ResultBatcher) gather(ctx context.Context, first submission) []submission {
	batch, size := []submission{first}, len(first.body)
	wait := time.NewTimer(batchWait)
	defer wait.Stop()
	for len(batch) < batchSize && size < resultRoom {
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

// sendTimeout bounds the storing of one batch while the server is away; its
// checkStage are then run again.
const sendTimeout = 10 * time.Second

// send stores a batch and tells everybody who waits for it. A batch that was
// begun is finished even while the process stops.
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

// encodeBatch makes a [job.Results] of results that are already encoded, so that each
// is encoded once, by whoever submits it.
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
