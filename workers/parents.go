package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// family finds out whether what monitors depend on is down.
type family struct {
	*shared

	states, definitions *pipeline.Bucket
	replies             *pipeline.Replies
	now                 func() time.Time

	mu       sync.Mutex
	verdicts map[string]verdict
}

func newFamily(p *shared, buckets map[topology.Bucket]*pipeline.Bucket, replies *pipeline.Replies) *family {
	return &family{
		shared: p, states: buckets[topology.States], definitions: buckets[topology.Monitors], replies: replies,
		now: time.Now, verdicts: map[string]verdict{},
	}
}

// parents finds it out for one decision. Each is looked up once.
type parents struct {
	family  *family
	to      *notify.Notifier
	ctx     context.Context //nolint:containedctx // lives no longer than the decision that it is made for
	address string
	known   map[string]parent
}

// parent is what is known of a monitor that others depend on.
type parent struct {
	name string
	// down is its incident, nil while it is not down.
	down *job.Incident
	// failing says that a check of this moment failed, though it is not judged
	// to be down yet, and patience how long that may take.
	failing  bool
	patience time.Duration
	// was is its last incident that has ended, and recovered when that did; nil
	// and zero when it was not down lately.
	was       *job.Incident
	recovered time.Time
}

// parents is for [notify.Config].Parent.
func (f *family) parents(ctx context.Context, to *notify.Notifier, address string) func(*job.Notified) notify.Mute {
	p := &parents{family: f, to: to, ctx: ctx, address: address, known: map[string]parent{}}
	return p.hold
}

// recheckPause is how soon an undecided parent is looked at again.
const recheckPause = 5 * time.Second

// hold says what a monitor's dependencies mean for the news of it. What cannot
// be found out holds nothing back: a mail too many is better than none.
func (p *parents) hold(tale *job.Notified) notify.Mute {
	now := p.family.now()
	var hold notify.Mute
	for _, name := range tale.Incident.DependsOn {
		found := p.find(name, maxDepth)
		switch {
		case found.down != nil:
			if quiet := p.to.Mutes().Active(found.down, now); quiet.Kind != "" {
				return quiet
			}
			return notify.Mute{Kind: notify.MuteParent, By: found.name, Notified: p.to.Directory().Reaches(p.address, found.down.Notify)}
		case found.failing && now.Before(tale.ReceivedAt.Add(found.patience)):
			hold = notify.Mute{Kind: notify.MutePending, By: found.name, Until: notify.CeilSecond(now.Add(recheckPause))}
		case found.was == nil || !found.recovered.After(tale.Incident.Began):
		case tale.Resolution != nil:
			if !tale.Resolution.At.Before(found.was.Began) { // it was down because of that one
				return notify.Mute{Kind: notify.MuteParent, By: found.name, Notified: p.to.Directory().Reaches(p.address, found.was.Notify)}
			}
		default:
			if until := found.recovered.Add(grace(tale.Incident.Period.Std())); now.Before(until) {
				hold = notify.Mute{Kind: notify.MutePending, By: found.name, Until: notify.CeilSecond(until)}
			}
		}
	}
	return hold
}

const (
	// minGrace and maxGrace bound how long a monitor may take to recover after
	// what it depends on has.
	minGrace = 5 * time.Second
	maxGrace = 5 * time.Minute
	// maxPatience bounds how long a parent may take to be judged.
	maxPatience = 10 * time.Minute
	// maxDepth bounds how far dependencies are followed.
	maxDepth = 16
)

// grace is two slots: one to be checked in, and one for a threshold of two.
func grace(period time.Duration) time.Duration { return min(maxGrace, max(minGrace, 2*period)) }

// find returns the first cause above a monitor, itself included: what is down
// furthest up.
func (p *parents) find(name string, depth int) parent {
	if known, ok := p.known[name]; ok {
		return known
	}
	p.known[name] = parent{name: name} // a circle, which no file may hold, ends here
	found, err := p.look(name, depth)
	if err != nil {
		p.family.log.WarnContext(p.ctx, "look at what a monitor depends on", "monitor", name, "error", err)
		found = parent{name: name}
	}
	p.known[name] = found
	return found
}

func (p *parents) look(name string, depth int) (parent, error) {
	found := parent{name: name}
	entry, err := p.family.definitions.Get(p.ctx, topology.MonitorKey(name))
	if errors.Is(err, pipeline.ErrNotFound) {
		return found, nil // it was removed, and is no excuse
	}
	if err != nil {
		return found, err
	}
	monitor, err := job.DecodeKnown[job.Monitor](entry.Value) // what matters here has always been there
	if err != nil {
		return found, err
	}
	for _, above := range monitor.DependsOn {
		if depth == 0 {
			break
		}
		if cause := p.find(above, depth-1); cause.down != nil {
			return cause, nil
		}
	}
	state, err := p.state(name)
	if err != nil {
		return found, err
	}
	for i := range state.Events {
		if event := &state.Events[i]; event.Kind == job.EventEnded && event.Incident.Condition == job.ConditionDown {
			found.was, found.recovered = &event.Incident, event.At
		}
	}
	if state.Incident != nil || monitor.Paused {
		found.down = state.Incident
		return found, nil
	}
	found.failing = p.family.fails(p.ctx, &monitor)
	found.patience = patience(&monitor)
	return found, nil
}

func (p *parents) state(name string) (job.State, error) {
	entry, err := p.family.states.Get(p.ctx, name)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.State{}, nil
	}
	if err != nil {
		return job.State{}, err
	}
	return job.DecodeKnown[job.State](entry.Value)
}

// patience is how long a failing monitor takes until it is judged.
func patience(m *job.Monitor) time.Duration {
	step := cmp.Or(m.RetryInterval.Std(), m.Interval.Std(), time.Minute)
	return min(maxPatience, m.Interval.Std()+time.Duration(max(1, m.FailureThreshold))*(step+m.Timeout.Std())+recheckPause)
}

// verdict is what a check of this moment said of a monitor.
type verdict struct {
	fails bool
	at    time.Time
}

const (
	// fresh is how long such a check counts: a thousand monitors that go down
	// behind another need one.
	fresh = 2 * time.Second
	// callMargin is what a check may take beyond its own timeout, in its queue.
	callMargin = 5 * time.Second
	// maxVerdicts bounds what is remembered of them.
	maxVerdicts = 10_000
)

// fails has a monitor checked now, since its state may be as old as its
// interval, and tells whether it is down. What cannot be found out is not.
func (f *family) fails(ctx context.Context, m *job.Monitor) bool {
	f.mu.Lock()
	known, ok := f.verdicts[m.Name]
	f.mu.Unlock()
	if ok && f.now().Sub(known.at) < fresh {
		return known.fails
	}
	found := verdict{fails: f.downNow(ctx, m), at: f.now()}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.verdicts) >= maxVerdicts {
		clear(f.verdicts)
	}
	f.verdicts[m.Name] = found
	return found.fails
}

// downNow has a monitor checked at each of its locations at once, and tells
// whether enough of them find it down.
func (f *family) downNow(ctx context.Context, m *job.Monitor) bool {
	var down atomic.Int64
	var all sync.WaitGroup
	for _, location := range m.CheckLocations() {
		all.Go(func() {
			outcome, err := f.call(ctx, m, location)
			if err != nil {
				f.log.WarnContext(ctx, "check what others depend on", "monitor", m.Name, "location", location, "error", err)
			} else if outcome.Health == job.Down {
				down.Add(1)
			}
		})
	}
	all.Wait()
	return int(down.Load()) >= m.RequiredVotes()
}

// call has a check made at a location, and waits for its outcome.
func (f *family) call(ctx context.Context, m *job.Monitor, location string) (job.ProbeResult, error) {
	limit := cmp.Or(m.Timeout.Std(), defaultCheckTimeout) + callMargin
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	now := f.now().UTC()
	order := job.Check{V: job.Version, ID: job.DeriveID("recheck", m.Name, location, f.p.Process(), now.Format(time.RFC3339Nano)), Location: location, NotAfter: now.Add(limit), Spec: m.Spec}
	body, err := job.Encode(order)
	if err != nil {
		return job.ProbeResult{}, err
	}
	address, answer, end := f.replies.Await()
	defer end()
	if err := f.p.Publish(ctx, pipeline.Message{Subject: topology.CallCheckSubject(location, order.ID), Body: body, ID: order.ID, Reply: address}); err != nil {
		return job.ProbeResult{}, err
	}
	select {
	case body := <-answer:
		said, err := job.DecodeKnown[job.Outcome](body)
		if err != nil {
			return job.ProbeResult{}, err
		}
		if said.Check == nil || said.Check.ProbeResult == nil {
			return job.ProbeResult{}, fmt.Errorf("check %s: found no outcome", m.Name)
		}
		return *said.Check.ProbeResult, nil
	case <-ctx.Done():
		return job.ProbeResult{}, fmt.Errorf("check %s: %w", m.Name, ctx.Err())
	}
}

// defaultCheckTimeout is what checks take that name no timeout.
const defaultCheckTimeout = 10 * time.Second
