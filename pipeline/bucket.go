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
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read key %s: %w", key, err)
	}
	return entry(found), nil
}

// Put writes a key, and returns its new revision. The error may be [ErrFenced].
func (b *Bucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return b.write(ctx, "write", key, func(ctx context.Context) (uint64, error) { return b.kv.Put(ctx, key, value) })
}

// CompareAndSwap writes a key if its revision is still the given one, 0 for no
// value, and returns the new revision. The error may be [job.ErrConflict] or
// [ErrFenced].
func (b *Bucket) CompareAndSwap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return b.write(ctx, "swap", key, func(ctx context.Context) (uint64, error) {
		if revision == 0 {
			return b.kv.Create(ctx, key, value)
		}
		return b.kv.Update(ctx, key, value, revision)
	})
}

// Delete removes a key; a missing key is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	_, err := b.write(ctx, "delete", key, func(ctx context.Context) (uint64, error) { return 0, b.kv.Delete(ctx, key) })
	return err
}

// Remove removes a key if its revision is still the given one. The error may be
// [job.ErrConflict] or [ErrFenced].
func (b *Bucket) Remove(ctx context.Context, key string, revision uint64) error {
	_, err := b.write(ctx, "remove", key, func(ctx context.Context) (uint64, error) {
		return 0, b.kv.Delete(ctx, key, jetstream.LastRevision(revision))
	})
	return err
}

// write calls do, which writes a key and returns its revision, unless the
// handler's job was taken. what names it in the error.
func (b *Bucket) write(ctx context.Context, what, key string, do func(context.Context) (uint64, error)) (revision uint64, err error) {
	if err = unfenced(ctx); err == nil {
		limited, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		revision, err = do(limited)
		b.p.observe(ctx, b.stream(), err)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || wrongRevision(err) {
		err = job.ErrConflict
	}
	if err != nil {
		return 0, fmt.Errorf("%s key %s: %w", what, key, err)
	}
	return revision, nil
}

// stream is the stream that backs the bucket.
func (b *Bucket) stream() topology.Stream { return b.p.names.CutStream("KV_" + b.kv.Bucket()) }

// wrongRevision reports whether a write lost a compare-and-swap. On a stream with
// replicas, the server has another code for a conflict with a write that is not
// stored yet.
func wrongRevision(err error) bool {
	return refused(err, jetstream.JSErrCodeStreamWrongLastSequence) || refused(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
