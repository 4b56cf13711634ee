package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// timers are the server's, as the notifier sees them.
type timers struct {
	p *pipeline.Pipeline
}

// SetTimer sets or moves a timer.
func (t *timers) SetTimer(ctx context.Context, what, id string, at time.Time) error {
	return t.p.SetTimer(ctx, what, id, at, nil)
}

// ledgerStore is the bucket of what addresses were told, as the notifier sees
// it.
type ledgerStore struct {
	bucket *pipeline.Bucket
}

// OpenLedger opens what addresses were told, for commands that look at it.
func OpenLedger(ctx context.Context, p *pipeline.Pipeline) (notify.Store, error) {
	bucket, err := p.Bucket(ctx, topology.Notifications)
	if err != nil {
		return nil, err
	}
	return &ledgerStore{bucket: bucket}, nil
}

// Load reads the keys that match a filter.
func (s *ledgerStore) Load(ctx context.Context, filter string) ([]notify.Entry, error) {
	found, err := s.bucket.LoadMatching(ctx, filter)
	if err != nil {
		return nil, err
	}
	entries := make([]notify.Entry, len(found))
	for i, e := range found {
		entries[i] = notify.Entry{Key: e.Key, Value: e.Value, Revision: e.Revision}
	}
	return entries, nil
}

// Get reads a key; one that holds nothing has revision 0.
func (s *ledgerStore) Get(ctx context.Context, key string) (notify.Entry, error) {
	e, err := s.bucket.Get(ctx, key)
	if errors.Is(err, pipeline.ErrNotFound) {
		return notify.Entry{Key: key}, nil
	}
	return notify.Entry{Key: key, Value: e.Value, Revision: e.Revision}, err
}

// Swap writes a key if its revision is still the given one.
func (s *ledgerStore) Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	next, err := s.bucket.CompareAndSwap(ctx, key, value, revision)
	if errors.Is(err, pipeline.ErrConflict) {
		return 0, fmt.Errorf("%w: %w", notify.ErrConflict, err)
	}
	return next, err
}
