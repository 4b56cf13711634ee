package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// processWatch notices processes that have fallen silent: killed, hung, or cut
// off. Whoever notices first tells the operators, and takes the lease away.
//
// It goes by what it sees of the leases itself, not by their times: clocks of
// machines differ, and while the server is away nobody can renew anything.
type processWatch struct {
	*shared

	mu    sync.Mutex
	known map[string]lease
}

// lease is a lease, and when it was last seen to be renewed.
type lease struct {
	entry pipeline.Entry
	at    time.Time
}

// leasePollPeriod is how often the sightings are looked through.
const leasePollPeriod = 2 * time.Second

func (w *processWatch) serve(ctx context.Context) error {
	leases, err := w.p.Bucket(ctx, topology.Processes)
	if err != nil {
		return err
	}
	w.forget()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watched := make(chan error, 1)
	supervise.Ready(ctx)
	go func() { watched <- leases.Watch(ctx, func(e pipeline.Entry) { w.see(e, time.Now()) }, func() {}) }()
	look := time.NewTicker(leasePollPeriod)
	defer look.Stop()
	for {
		select {
		case err := <-watched:
			return err
		case now := <-look.C:
			if w.p.Away(process.LeaseTime) {
				continue // nobody could have renewed a lease
			}
			if err := w.tell(ctx, leases, w.overdue(now)); err != nil {
				w.log.WarnContext(ctx, "tell operators of a process that is gone", "error", err) // the next turn tries again
			}
		}
	}
}

func (w *processWatch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = map[string]lease{}
}

// see takes in that a lease was renewed, or taken away.
func (w *processWatch) see(e pipeline.Entry, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Deleted {
		delete(w.known, e.Key)
		return
	}
	w.known[e.Key] = lease{entry: e, at: now}
}

// overdue returns the leases that have not been renewed in their time.
func (w *processWatch) overdue(now time.Time) []pipeline.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	var gone []pipeline.Entry
	for _, s := range w.known {
		if now.Sub(s.at) > process.LeaseTime {
			gone = append(gone, s.entry)
		}
	}
	return gone
}

// tell tells the operators of processes that are gone, and takes their leases
// away, in this order: what is told twice is told once.
func (w *processWatch) tell(ctx context.Context, leases *pipeline.Bucket, gone []pipeline.Entry) error {
	for _, lease := range gone {
		if err := w.p.Notify(ctx, goneNotice(lease)); err != nil {
			return err
		}
		if err := leases.Remove(ctx, lease.Key, lease.Revision); err != nil && !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
	return nil
}

// goneNotice is the notice of a process that holds a lease and does not renew
// it.
func goneNotice(lease pipeline.Entry) job.Notice {
	n := job.Notice{
		V: job.Version, ID: job.DeriveID("gone", lease.Key, lease.Written.UTC().Format(time.RFC3339Nano)), Kind: job.NoticeProcessGone,
		Summary: fmt.Sprintf("process %s has been silent since %s", lease.Key, lease.Written.UTC().Format(time.RFC3339)),
	}
	if member, err := job.DecodeKnown[job.Process](lease.Value); err == nil {
		n.Summary = fmt.Sprintf("process %s has been silent since %s", member.Name, lease.Written.UTC().Format(time.RFC3339))
		n.Detail = fmt.Sprintf("pid %d on %s, version %s, started %s", member.PID, member.Host, member.Version, member.Started.UTC().Format(time.RFC3339))
	}
	return n
}
