package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrNotFound is returned for a key without a value.
var ErrNotFound = errors.New("key not found")

// Bucket is a key-value bucket. A request without an answer, which gets lost with
// a cluster node, fails after a few seconds even if its context lasts longer, so
// that the caller can retry.
type Bucket struct {
	kv jetstream.KeyValue
	p  *Pipeline
}

// answerTimeout bounds the wait for an answer. A dead leader is usually replaced
// within 5 s.
const answerTimeout = 5 * time.Second

// Entry is one revision of a key. A deleted one has no value.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	Written  time.Time
	Deleted  bool
}

// Bucket opens a bucket that [Pipeline.Ensure] created. While a cluster has no
// leader for it, it retries: see [Pipeline.RetryUnavailable].
func (p *Pipeline) Bucket(ctx context.Context, name topology.Bucket) (*Bucket, error) {
	var kv jetstream.KeyValue
	what := "open bucket " + p.names.Bucket(name)
	err := p.RetryUnavailable(ctx, what, limited(func(ctx context.Context) error {
		var err error
		kv, err = p.js.KeyValue(ctx, p.names.Bucket(name))
		return err
	}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return &Bucket{kv: kv, p: p}, nil
}

// Get reads a key. The error is [ErrNotFound] for a key without a value.
func (b *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	found, err := b.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry{}, fmt.Errorf("read key %s: %w", key, ErrNotFound)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read key %s: %w", key, err)
	}
	return entry(found), nil
}

// Put writes a key, and returns its new revision. The error may be [ErrFenced].
func (b *Bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	if err := unfenced(ctx); err != nil {
		return 0, fmt.Errorf("write key %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	revision, err := b.kv.Put(ctx, key, value)
	if err != nil {
		return 0, fmt.Errorf("write key %s: %w", key, err)
	}
	return revision, nil
}

// CompareAndSwap writes a key if its revision is still the given one, 0 for no
// value, and returns the new revision. The error may be [job.ErrConflict] or
// [ErrFenced].
func (b *Bucket) CompareAndSwap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := unfenced(ctx); err != nil {
		return 0, fmt.Errorf("swap key %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var next uint64
	var err error
	if revision == 0 {
		next, err = b.kv.Create(ctx, key, value)
	} else {
		next, err = b.kv.Update(ctx, key, value, revision)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || wrongRevision(err) {
		return 0, fmt.Errorf("swap key %s: %w", key, job.ErrConflict)
	}
	if err != nil {
		return 0, fmt.Errorf("swap key %s: %w", key, err)
	}
	return next, nil
}

// wrongRevision reports whether a write lost a compare-and-swap. On a stream with
// replicas, the server has another code for a conflict with a write that is not
// stored yet.
func wrongRevision(err error) bool {
	return refused(err, jetstream.JSErrCodeStreamWrongLastSequence) || refused(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Delete removes a key; a missing key is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := unfenced(ctx); err != nil {
		return fmt.Errorf("delete key %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := b.kv.Delete(ctx, key); err != nil {
		return fmt.Errorf("delete key %s: %w", key, err)
	}
	return nil
}

// Remove removes a key if its revision is still the given one. The error may be
// [job.ErrConflict] or [ErrFenced].
func (b *Bucket) Remove(ctx context.Context, key string, revision uint64) error {
	if err := unfenced(ctx); err != nil {
		return fmt.Errorf("remove key %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := b.kv.Delete(ctx, key, jetstream.LastRevision(revision))
	if wrongRevision(err) {
		return fmt.Errorf("remove key %s: %w", key, job.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("remove key %s: %w", key, err)
	}
	return nil
}
