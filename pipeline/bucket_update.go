package pipeline

import (
	"context"
	"errors"
	"fmt"

	"vedette/pipeline/job"
)

// maxUpdates is how often [Update] loses before it gives up: the processes that
// win each time do the same kind of work.
const maxUpdates = 10

// Update changes the value under a key by compare-and-swap. It reads the value,
// the zero value if there is none, and calls step, which returns the new value
// and whether to write it; after a conflict with another process it starts
// again. It returns the value that is stored afterwards, and whether it was
// written. The error is [job.ErrConflict] after too many conflicts.
func Update[T any](ctx context.Context, b *Bucket, key string, decode func([]byte) (T, error), step func(T) (T, bool)) (T, bool, error) {
	var zero T
	for range maxUpdates {
		value := zero
		found, err := b.Get(ctx, key)
		if err == nil {
			value, err = decode(found.Value)
		} else if errors.Is(err, ErrNotFound) {
			err = nil
		}
		if err != nil {
			return zero, false, err
		}
		next, write := step(value)
		if !write {
			return value, false, nil
		}
		body, err := job.Encode(next)
		if err != nil {
			return zero, false, err
		}
		if _, err = b.CompareAndSwap(ctx, key, body, found.Revision); !errors.Is(err, job.ErrConflict) {
			return next, err == nil, err
		}
	}
	return zero, false, fmt.Errorf("update key %s: %w", key, job.ErrConflict)
}
