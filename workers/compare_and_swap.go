package workers

import (
	"context"
	"errors"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// swapAttempts is how often a compare-and-swap is tried before the job is
// retried: the processes that win each time do the same kind of work.
const swapAttempts = 10

// update changes the value under a key. It reads the value with its revision,
// and calls change, which returns the new value and whether to write it; after a
// conflict with another process it starts again. It returns the stored value,
// and whether it was written.
func update[T any](ctx context.Context, b *pipeline.Bucket, key string, read func(context.Context) (T, uint64, error), change func(T) (T, bool)) (T, bool, error) {
	var zero T
	for range swapAttempts {
		found, revision, err := read(ctx)
		if err != nil {
			return zero, false, err
		}
		next, write := change(found)
		if !write {
			return found, false, nil
		}
		body, err := job.Encode(next)
		if err != nil {
			return zero, false, err
		}
		if _, err = b.CompareAndSwap(ctx, key, body, revision); !errors.Is(err, pipeline.ErrConflict) {
			return next, err == nil, err
		}
	}
	return zero, false, pipeline.ErrConflict
}
