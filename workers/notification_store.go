package workers

import (
	"context"
	"errors"
	"time"

	"vedette/pipeline"
	"vedette/workers/notify"
)

// timers are server timers for the notifier.
type timers struct {
	p *pipeline.Pipeline
}

// SetTimer sets or moves a timer.
func (t *timers) SetTimer(ctx context.Context, kind, id string, at time.Time) error {
	return t.p.SetTimer(ctx, kind, id, at, nil)
}

// notificationStore is the bucket with notification logs and groups.
type notificationStore struct {
	bucket *pipeline.Bucket
}

// Load reads the keys that match a filter.
func (s *notificationStore) Load(ctx context.Context, filter string) ([]notify.Entry, error) {
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

// Get reads a key; a missing one has revision 0.
func (s *notificationStore) Get(ctx context.Context, key string) (notify.Entry, error) {
	e, err := s.bucket.Get(ctx, key)
	if errors.Is(err, pipeline.ErrNotFound) {
		return notify.Entry{Key: key}, nil
	}
	return notify.Entry{Key: key, Value: e.Value, Revision: e.Revision}, err
}

// Swap writes a key if its revision is still the given one.
func (s *notificationStore) Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return s.bucket.CompareAndSwap(ctx, key, value, revision)
}
