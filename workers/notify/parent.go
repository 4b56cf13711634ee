package notify

import (
	"cmp"
	"context"
	"time"

	"vedette/pipeline/job"
)

// Lookup finds definitions and states.
type Lookup interface {
	// Monitor returns a definition, and whether there is one.
	Monitor(ctx context.Context, name string) (job.Monitor, bool, error)
	// State returns a state, the zero state when none is stored.
	State(ctx context.Context, name string) (job.State, error)
	// Failing reports whether a monitor that is not down fails at the moment:
	// its state may be as old as its interval.
	Failing(ctx context.Context, m *job.Monitor) bool
	// OpenStates calls each with the states that have an open incident, in this
	// goroutine, until an error.
	OpenStates(ctx context.Context, each func(*job.State) error) error
}

// parents finds out for one decision whether the monitors that others depend on
// are down. Each is looked up once.
type parents struct {
	*decider

	ctx     context.Context //nolint:containedctx // lives no longer than its decision
	address string
	known   map[string]parent
}

// parent is what is known about a monitor that others depend on.
type parent struct {
	name string
	// notify are its recipients at present.
	notify []string
	// down is its open incident, nil while it is not down.
	down *job.Incident
	// failing reports that it fails at the moment but is not down yet, and
	// patience how long it may take until it is.
	failing  bool
	patience time.Duration
	// last is its last incident that ended, and recovered when it did; nil and
	// zero for none.
	last      *job.Incident
	recovered time.Time
}

const (
	// recheckPause is how soon an undecided parent is looked up again.
	recheckPause = 5 * time.Second
	// minGrace and maxGrace limit how long a monitor may take to recover after
	// its parent did.
	minGrace = 5 * time.Second
	maxGrace = 5 * time.Minute
	// maxPatience limits how long a failing parent may take to be down.
	maxPatience = 10 * time.Minute
	// maxDepth limits how far dependencies are followed.
	maxDepth = 16
)

// mute decides what a monitor's parents mean for its notifications. A parent
// that cannot be looked up mutes nothing: one mail too many is better than one
// too few.
func (p *parents) mute(known *job.Notified) Mute {
	var mute Mute
	for _, name := range known.Incident.DependsOn {
		found := p.find(name, maxDepth)
		if found.down != nil {
			if people := p.mutes.Active(found.down, p.config.Now()); people.Kind != "" {
				return people
			}
			return Mute{Kind: MuteParent, By: found.name, Notified: p.directory.Reaches(p.address, found.notify)}
		}
		until := p.pendingUntil(&found, known)
		switch {
		case !until.IsZero():
			mute = Mute{Kind: MutePending, By: found.name, Until: CeilSecond(until)}
		case found.causedWhole(known):
			return Mute{Kind: MuteParent, By: found.name, Notified: p.directory.Reaches(p.address, found.notify)}
		}
	}
	return mute
}

// pendingUntil is when to look up a parent again that may be down soon, or whose
// dependents may recover soon; zero if neither.
func (p *parents) pendingUntil(found *parent, known *job.Notified) time.Time {
	now := p.config.Now()
	switch {
	case found.failing && now.Before(known.ReceivedAt.Add(found.patience)):
		return now.Add(recheckPause)
	case known.Resolution != nil || !found.recoveredAfter(&known.Incident):
		return time.Time{}
	}
	if until := found.recovered.Add(grace(known.Incident.Period.Std())); now.Before(until) {
		return until
	}
	return time.Time{}
}

func (p *parent) recoveredAfter(incident *job.Incident) bool {
	return p.last != nil && p.recovered.After(incident.Began)
}

// causedWhole reports whether an incident that is over was within the parent's
// last incident.
func (p *parent) causedWhole(known *job.Notified) bool {
	return known.Resolution != nil && p.recoveredAfter(&known.Incident) && !known.Resolution.At.Before(p.last.Began)
}

// grace is two slots: one for the check, and one for a threshold of two.
func grace(period time.Duration) time.Duration { return min(maxGrace, max(minGrace, 2*period)) }

// find returns the first cause above a monitor, or the monitor: whichever is down
// furthest up.
func (p *parents) find(name string, depth int) parent {
	if known, ok := p.known[name]; ok {
		return known
	}
	p.known[name] = parent{name: name} // a cycle, which no valid file has, ends here
	found, err := p.look(name, depth)
	if err != nil {
		p.config.Logger.WarnContext(p.ctx, "parent lookup failed; the dependency is ignored", "monitor", name, "error", err)
		found = parent{name: name}
	}
	p.known[name] = found
	return found
}

func (p *parents) look(name string, depth int) (parent, error) {
	found := parent{name: name}
	monitor, ok, err := p.config.Lookup.Monitor(p.ctx, name)
	if err != nil || !ok {
		return found, err
	}
	found.notify = monitor.Notify
	if monitor.Paused { // its state is of the past
		return found, nil
	}
	for _, above := range monitor.DependsOn {
		if depth == 0 {
			break
		}
		if cause := p.find(above, depth-1); cause.down != nil {
			return cause, nil
		}
	}
	state, err := p.config.Lookup.State(p.ctx, name)
	if err != nil {
		return found, err
	}
	for i := range state.Events {
		if event := &state.Events[i]; event.Kind == job.EventEnded && event.Incident.Condition == job.ConditionDown {
			found.last, found.recovered = &event.Incident, event.At
		}
	}
	if found.down = state.Incident; found.down != nil {
		return found, nil
	}
	found.failing, found.patience = p.config.Lookup.Failing(p.ctx, &monitor), patience(&monitor)
	return found, nil
}

// patience is how long a failing monitor takes at most until it is down.
func patience(m *job.Monitor) time.Duration {
	step := cmp.Or(m.RetryInterval.Std(), m.Interval.Std(), time.Minute)
	return min(maxPatience, m.Interval.Std()+time.Duration(max(1, m.FailureThreshold))*(step+m.Timeout.Std())+recheckPause)
}
