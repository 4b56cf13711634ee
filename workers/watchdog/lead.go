package watchdog

import (
	"context"
	"errors"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
)

// leadKey is the key in [topology.Cursors] that says which process pings. Shards have
// numbers for keys.
const leadKey = "watchdog"

// leadTime is how long a process leads without a renewal, and how long it waits for one
// by another process. It is long enough to report that writes are refused.
const leadTime = process.LeaseTime

// leadership is the value under the key.
type leadership struct {
	V       int       `json:"v"`
	Process string    `json:"process"` // the id of a process
	At      time.Time `json:"at"`
}

// lead chooses the process that pings. It measures the time since
// it saw the key change, since the clocks of machines differ.
type lead struct {
	id string
	// alone is set for the process that has the server inside: while nothing can be
	// written there, no other process can lead.
	alone bool

	revision  uint64    // the last one that was seen
	seen      time.Time // since when it is the last one
	confirmed time.Time // when this process last wrote the key, zero for never
}

// mayTake reports whether the process may write the key, given what stands there.
func (l *lead) mayTake(found leadership, revision uint64, now time.Time) bool {
	if revision != l.revision {
		l.revision, l.seen = revision, now
	}
	return revision == 0 || found.Process == l.id || found.Process == "" || now.Sub(l.seen) > leadTime
}

// leads reports whether the process leads.
func (l *lead) leads(now time.Time) bool {
	return !l.confirmed.IsZero() && now.Sub(l.confirmed) <= leadTime
}

// renew takes or renews the lead if it may. An error means that a write was not
// confirmed.
func (l *lead) renew(ctx context.Context, p *pipeline.Pipeline) error {
	err := l.swap(ctx, p)
	if err != nil && l.alone {
		l.confirmed = time.Now()
	}
	return err
}

func (l *lead) swap(ctx context.Context, p *pipeline.Pipeline) error {
	bucket, err := p.Bucket(ctx, topology.Cursors)
	if err != nil {
		return err
	}
	found, revision, err := pipeline.Read(ctx, bucket, leadKey, job.DecodeKnown[leadership])
	if err != nil {
		return err
	}
	now := time.Now()
	if !l.mayTake(found, revision, now) {
		l.confirmed = time.Time{}
		return nil
	}
	_, err = pipeline.Swap(ctx, bucket, leadKey, leadership{V: job.Version, Process: l.id, At: now.UTC()}, revision)
	if errors.Is(err, job.ErrConflict) {
		l.confirmed = time.Time{}
		return nil // another process was faster
	}
	if err == nil {
		l.confirmed = now
	}
	return err
}

// release lets another process lead at once.
func (l *lead) release(ctx context.Context, p *pipeline.Pipeline) error {
	if !l.leads(time.Now()) || !p.Connected() {
		return nil
	}
	bucket, err := p.Bucket(ctx, topology.Cursors)
	if err != nil {
		return err
	}
	return pipeline.Put(ctx, bucket, leadKey, leadership{V: job.Version, At: time.Now().UTC()})
}
