package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// Load reads every key with a value.
func (b *Bucket) Load(ctx context.Context) ([]Entry, error) { return b.LoadMatching(ctx, everyKey) }

// everyKey is the filter for all keys.
const everyKey = ">"

// LoadMatching reads every key with a value that matches a filter. A filter is a
// key in which tokens may be "*" and the last one ">".
func (b *Bucket) LoadMatching(ctx context.Context, filter string) ([]Entry, error) {
	var entries []Entry
	err := b.eachMatching(ctx, filter, func(e Entry) { entries = append(entries, e) })
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// Each calls each with every key that has a value, in this goroutine, and keeps
// none in memory.
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

// Watch calls each with every key, and then with every change, until ctx ends;
// loaded is called once, after the present keys. Both are called in this
// goroutine. It returns nil when ctx ends.
func (b *Bucket) Watch(ctx context.Context, each func(Entry), loaded func()) error {
	return b.watch(ctx, everyKey, each, loaded)
}

// WatchMatching is [Bucket.Watch] for the keys that match one of the filters. The
// calls come from several goroutines, but never at the same time.
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

// WatchChanges calls each with every change of the keys that match a filter, in
// this goroutine, until ctx ends. started is called when no further change can be
// missed.
func (b *Bucket) WatchChanges(ctx context.Context, filter string, each func(Entry), started func()) error {
	watcher, err := b.kv.Watch(ctx, filter, jetstream.UpdatesOnly())
	if err == nil {
		started() // the library marks no present keys then
	}
	return b.serve(ctx, watcher, err, each, func() {})
}

func (b *Bucket) watch(ctx context.Context, filter string, each func(Entry), loaded func()) error {
	watcher, err := b.kv.Watch(ctx, filter)
	return b.serve(ctx, watcher, err, each, loaded)
}

// serve passes on what a watcher finds; err is from its start.
func (b *Bucket) serve(ctx context.Context, watcher jetstream.KeyWatcher, err error, each func(Entry), loaded func()) error {
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
			case found == nil: // the library's mark after the present keys
				loaded()
			default:
				each(entry(found))
			}
		}
	}
}

// unwatchTimeout bounds the wait for the server to end a watch. After an outage
// the server ends it without a request.
const unwatchTimeout = time.Second

func unwatch(watcher jetstream.KeyWatcher) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = watcher.Stop() // it fails only if the connection is closed, and the watch with it
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
