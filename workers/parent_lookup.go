package workers

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// storedLookup reads the monitors that others depend on from their buckets. It
// publishes nothing.
type storedLookup struct {
	states, definitions *pipeline.Bucket
}

// Monitor reads a definition.
func (l *storedLookup) Monitor(ctx context.Context, name string) (job.Monitor, bool, error) {
	monitor, revision, err := pipeline.Read(ctx, l.definitions, topology.MonitorKey(name), job.DecodeKnown[job.Monitor]) // newer fields do not matter here
	return monitor, err == nil && revision > 0, err
}

// State reads a state.
func (l *storedLookup) State(ctx context.Context, name string) (job.State, error) {
	state, _, err := pipeline.Read(ctx, l.states, name, job.DecodeKnown[job.State])
	return state, err
}

// Failing reports whether the last result was a failure.
func (l *storedLookup) Failing(ctx context.Context, m *job.Monitor) bool {
	state, err := l.State(ctx, m.Name)
	return err == nil && state.Failures > 0
}

// OpenStates reads the states with an open incident. After an outage every monitor
// has a state, and only some of them are decoded.
func (l *storedLookup) OpenStates(ctx context.Context, each func(*job.State) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := l.states.Each(ctx, func(e pipeline.Entry) {
		if !mayBeOpen(e.Value) || ctx.Err() != nil {
			return
		}
		state, err := job.DecodeKnown[job.State](e.Value)
		if err != nil {
			stop(fmt.Errorf("read state of %s: %w", e.Key, err))
			return
		}
		if len(state.Open()) == 0 {
			return
		}
		if err := each(&state); err != nil {
			stop(err)
		}
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// mayBeOpen reports whether an encoded state may have an open incident. These are
// encoded before the events, which have incidents too.
func mayBeOpen(state []byte) bool {
	head, _, _ := bytes.Cut(state, []byte(`"events":[`))
	for _, key := range []string{"incident", "degraded", "flapping", "no_data"} {
		if bytes.Contains(head, []byte(`"`+key+`":{`)) {
			return true
		}
	}
	return false
}

// checkingLookup is a lookup that has monitors checked now, since a state may be
// as old as its interval.
type checkingLookup struct {
	storedLookup
	*shared

	replies *pipeline.Replies

	mu      sync.Mutex
	checked map[string]recentCheck
}

type recentCheck struct {
	failing bool
	at      time.Time
}

const (
	// checkReuse is how long a check counts: a thousand monitors that go down
	// with their parent need one.
	checkReuse = 2 * time.Second
	// queueTime is how long a check may wait in addition to its timeout.
	queueTime = 5 * time.Second
	// maxChecked limits the checks that are remembered.
	maxChecked = 10_000
	// defaultCheckTimeout applies to checks without a timeout.
	defaultCheckTimeout = 10 * time.Second
)

func newCheckingLookup(s *shared, buckets map[topology.Bucket]*pipeline.Bucket, replies *pipeline.Replies) *checkingLookup {
	return &checkingLookup{
		storedLookup: storedLookup{states: buckets[topology.States], definitions: buckets[topology.Monitors]},
		shared:       s, replies: replies, checked: map[string]recentCheck{},
	}
}

// Failing has a monitor checked now. A check that fails to be made is no failure
// of the monitor.
func (l *checkingLookup) Failing(ctx context.Context, m *job.Monitor) bool {
	l.mu.Lock()
	known, ok := l.checked[m.Name]
	l.mu.Unlock()
	if ok && time.Since(known.at) < checkReuse {
		return known.failing
	}
	found := recentCheck{failing: l.checkLocations(ctx, m), at: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.checked) >= maxChecked {
		clear(l.checked)
	}
	l.checked[m.Name] = found
	return found.failing
}

// checkLocations has a monitor checked at all its locations at once, and reports
// whether enough of them find it down.
func (l *checkingLookup) checkLocations(ctx context.Context, m *job.Monitor) bool {
	var down atomic.Int64
	var all sync.WaitGroup
	for _, location := range m.CheckLocations() {
		all.Go(func() {
			result, err := l.check(ctx, m, location)
			if err != nil {
				l.log.WarnContext(ctx, "check of a parent was not made; it counts as up", "monitor", m.Name, "location", location, "error", err)
			} else if result.Health == job.Down {
				down.Add(1)
			}
		})
	}
	all.Wait()
	return int(down.Load()) >= m.RequiredVotes()
}

// check has a check made at a location, and waits for its result.
func (l *checkingLookup) check(ctx context.Context, m *job.Monitor, location string) (job.ProbeResult, error) {
	limit := cmp.Or(m.Timeout.Std(), defaultCheckTimeout) + queueTime
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	now := time.Now().UTC()
	id := job.DeriveID("recheck", m.Name, location, l.p.Process(), now.Format(time.RFC3339Nano))
	check := job.Check{V: job.Version, ID: id, Location: location, NotAfter: now.Add(limit), Spec: m.Spec}
	address, reply, end := l.replies.Await()
	defer end()
	if err := pipeline.PublishJob(ctx, l.p, check, pipeline.Message{Subject: topology.CallCheckSubject(location, id), ID: id, Reply: address}); err != nil {
		return job.ProbeResult{}, err
	}
	select {
	case body := <-reply:
		outcome, err := job.DecodeKnown[job.Outcome](body)
		if err != nil {
			return job.ProbeResult{}, err
		}
		if outcome.Check == nil || outcome.Check.ProbeResult == nil {
			return job.ProbeResult{}, fmt.Errorf("check %s: found no result in the outcome", m.Name)
		}
		return *outcome.Check.ProbeResult, nil
	case <-ctx.Done():
		return job.ProbeResult{}, fmt.Errorf("check %s: %w", m.Name, ctx.Err())
	}
}
