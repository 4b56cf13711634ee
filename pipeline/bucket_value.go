package pipeline

import (
	"context"
	"errors"
	"fmt"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Read reads the value under a key. A key without a value has the zero value and
// revision 0.
func Read[T any](ctx context.Context, b *Bucket, key string, decode func([]byte) (T, error)) (value T, revision uint64, err error) {
	found, err := b.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return value, 0, nil
	}
	if err == nil {
		value, err = decode(found.Value)
	}
	return value, found.Revision, err
}

// LoadAll reads the values in a bucket under the keys that match a filter.
func LoadAll[T any](ctx context.Context, p *Pipeline, name topology.Bucket, filter string, decode func([]byte) (T, error)) ([]T, error) {
	b, err := p.Bucket(ctx, name)
	if err != nil {
		return nil, err
	}
	entries, err := b.LoadMatching(ctx, filter)
	values := make([]T, len(entries))
	for i, e := range entries {
		if values[i], err = decode(e.Value); err != nil {
			return nil, fmt.Errorf("read key %s in %s: %w", e.Key, name, err)
		}
	}
	return values, err
}

// Swap encodes a value and writes it with [Bucket.CompareAndSwap].
func Swap(ctx context.Context, b *Bucket, key string, value any, revision uint64) (uint64, error) {
	body, err := job.Encode(value)
	if err != nil {
		return 0, err
	}
	return b.CompareAndSwap(ctx, key, body, revision)
}

// Put encodes a value and writes it with [Bucket.Put].
func Put(ctx context.Context, b *Bucket, key string, value any) error {
	body, err := job.Encode(value)
	if err == nil {
		_, err = b.Put(ctx, key, body)
	}
	return err
}

// PublishJob encodes a value and publishes it as the body of a message.
func PublishJob(ctx context.Context, p *Pipeline, value any, m Message) error {
	var err error
	if m.Body, err = job.Encode(value); err != nil {
		return err
	}
	return p.Publish(ctx, m)
}

// Buckets opens several buckets, by name.
func Buckets(ctx context.Context, p *Pipeline, names ...topology.Bucket) (map[topology.Bucket]*Bucket, error) {
	buckets := make(map[topology.Bucket]*Bucket, len(names))
	var err error
	for _, name := range names {
		if buckets[name], err = p.Bucket(ctx, name); err != nil {
			return nil, err
		}
	}
	return buckets, nil
}

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
		value, revision, err := Read(ctx, b, key, decode)
		if err != nil {
			return zero, false, err
		}
		next, write := step(value)
		if !write {
			return value, false, nil
		}
		if _, err = Swap(ctx, b, key, next, revision); !errors.Is(err, job.ErrConflict) {
			return next, err == nil, err
		}
	}
	return zero, false, fmt.Errorf("update key %s: %w", key, job.ErrConflict)
}
