package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrNotFound is returned for a key that holds nothing.
var ErrNotFound = errors.New("key not found")

// Bucket is a key-value bucket. A request that the server does not answer, which
// gets lost when a node of a cluster goes, fails after a few seconds, however
// long its context lasts: what waits for it can be tried again.
type Bucket struct {
	kv jetstream.KeyValue
	p  *Pipeline
}

// answerTimeout bounds the wait for an answer. Requests wait at the leader of
// their stream; one that has died is replaced within 5 s as a rule.
const answerTimeout = 5 * time.Second

// Entry is one revision of a key. Deleted entries have no value.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	Written  time.Time
	Deleted  bool
}

// Bucket opens one of the buckets that [Pipeline.Ensure] made. While a cluster
// has no leader for it, it insists: see [Pipeline.RetryUnavailable].
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

// Put writes a key, whatever it holds, and returns its new revision. The error
// is [ErrFenced] for a handler whose job was taken from it.
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

// CompareAndSwap writes a key if its revision is still the given one, 0 meaning that it
// holds nothing, and returns the new revision. The error is [job.ErrConflict] when
// somebody else was first, or [ErrFenced].
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

// wrongRevision tells whether a write lost a compare-and-swap. On a stream with
// replicas the server has another code for it, when the writes met before the
// first of them was stored.
func wrongRevision(err error) bool {
	return refused(err, jetstream.JSErrCodeStreamWrongLastSequence) || refused(err, jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// Delete removes a key; removing one that is not there is no error.
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

// Remove removes a key if its revision is still the given one. The error is
// [job.ErrConflict] when somebody else wrote it, or [ErrFenced].
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

// Load reads every key that has a value.
func (b *Bucket) Load(ctx context.Context) ([]Entry, error) { return b.LoadMatching(ctx, everyKey) }

// everyKey is the filter of all keys.
const everyKey = ">"

// LoadMatching reads every key that has a value and matches a filter, which is
// a key in which tokens may be "*" and the last one ">".
func (b *Bucket) LoadMatching(ctx context.Context, filter string) ([]Entry, error) {
	var entries []Entry
	err := b.eachMatching(ctx, filter, func(e Entry) { entries = append(entries, e) })
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// Each calls each with every key that has a value, from this goroutine, and
// keeps none.
func (b *Bucket) Each(ctx context.Context, each func(Entry)) error {
	return b.eachMatching(ctx, everyKey, each)
}

func (b *Bucket) eachMatching(ctx context.Context, filter string, each func(Entry)) error {
	watching, enough := context.WithCancel(ctx)
	defer enough()
	whole := false
	err := b.watch(watching, filter, func(e Entry) {
		if !e.Deleted && !whole {
			each(e)
		}
	}, func() { whole = true; enough() })
	if err == nil && !whole {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("load bucket %s: %w", b.kv.Bucket(), err)
	}
	return nil
}

// Watch calls each with every key, and from then on with every change, until
// ctx ends; loaded is called once, after the keys that were there. Both are
// called from this goroutine. It returns nil when ctx ends, and else why the
// watch could not go on.
func (b *Bucket) Watch(ctx context.Context, each func(Entry), loaded func()) error {
	return b.watch(ctx, everyKey, each, loaded)
}

// WatchMatching is [Bucket.Watch] of the keys that match one of some filters: of
// a bucket with a million keys, whoever needs ten had better not be sent all.
// The calls come from several goroutines, but never at the same time.
func (b *Bucket) WatchMatching(ctx context.Context, filters []string, each func(Entry), loaded func()) error {
	var mu sync.Mutex
	left := len(filters)
	group, ctx := errgroup.WithContext(ctx)
	for _, filter := range filters {
		group.Go(func() error {
			return b.watch(ctx, filter, func(e Entry) {
				mu.Lock()
				defer mu.Unlock()
				each(e)
			}, func() {
				mu.Lock()
				defer mu.Unlock()
				left--
				if left == 0 {
					loaded()
				}
			})
		})
	}
	return group.Wait()
}

func (b *Bucket) watch(ctx context.Context, filter string, each func(Entry), loaded func()) error {
	watcher, err := b.kv.Watch(ctx, filter)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch bucket %s: %w", b.kv.Bucket(), err)
	}
	defer unwatch(watcher)
	for {
		select {
		case <-ctx.Done():
			return nil
		case found, ok := <-watcher.Updates():
			switch {
			case !ok && ctx.Err() != nil:
				return nil
			case !ok:
				return fmt.Errorf("watch bucket %s: the subscription ended", b.kv.Bucket())
			case found == nil: // the library's mark for the end of what was there
				loaded()
			default:
				each(entry(found))
			}
		}
	}
}

// unwatchTimeout is how long the end of a watch waits for the server, which is
// to forget it. One that is away forgets it by itself.
const unwatchTimeout = time.Second

func unwatch(watcher jetstream.KeyWatcher) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = watcher.Stop() // it fails only when the connection is gone, and the watch with it
	}()
	patience := time.NewTimer(unwatchTimeout)
	defer patience.Stop()
	select {
	case <-stopped:
	case <-patience.C:
	}
}

func entry(found jetstream.KeyValueEntry) Entry {
	return Entry{
		Key: found.Key(), Value: found.Value(), Revision: found.Revision(), Written: found.Created(),
		Deleted: found.Operation() != jetstream.KeyValuePut,
	}
}
