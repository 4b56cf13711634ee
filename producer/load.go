package producer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// load watches the queues of checks, and says which share of a location's slots
// is to be checked. It asks the server some times a second for each location of
// which this process has ordered checks; ticks do not wait for that.
//
// What counts is the lowest that a queue comes to in a second: all checks of a
// second are ordered at its beginning, and how many of them wait when one looks
// says more of when that was than of the workers.
type load struct {
	p     *pipeline.Pipeline
	log   *slog.Logger
	staff *staff
	due   func() map[string]float64 // slots in a second, by location

	mu        sync.Mutex
	throttles map[string]throttle // by location
	lowest    map[string]sample   // by location, of the present round of looks
	throttled bool                // any of them leaves something out
}

const (
	loadLook = 250 * time.Millisecond
	// loadRound is how many looks are one sample: those of a second.
	loadRound = 4
	// loadTime bounds one question. Whoever does not answer in that time has more
	// to do than it can, or does not let this user ask.
	loadTime = 2 * time.Second
	// loadRest is how long one that has never answered is left alone.
	loadRest = time.Minute
)

func newLoad(p *pipeline.Pipeline, log *slog.Logger, staff *staff, due func() map[string]float64) *load {
	return &load{p: p, log: log, staff: staff, due: due, throttles: map[string]throttle{}, lowest: map[string]sample{}}
}

// serve looks until ctx ends.
func (l *load) serve(ctx context.Context) error {
	look := time.NewTicker(loadLook)
	defer look.Stop()
	var rest time.Time
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-look.C:
			if now.Before(rest) || !l.p.Connected() {
				continue
			}
			if err := l.look(ctx, turn%loadRound == 0); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "look how long checks wait", "error", err)
				if !l.doubt() {
					rest = now.Add(loadRest)
				}
			}
		}
	}
}

// look asks about each location, and takes in what was lowest at the end of a
// round.
func (l *load) look(ctx context.Context, last bool) error {
	var due map[string]float64
	if last {
		due = l.due()
	}
	for _, location := range l.locations() {
		limited, cancel := context.WithTimeout(ctx, loadTime)
		delivered, waiting, err := inspect.Delivered(limited, l.p, topology.CheckConsumer(location))
		cancel()
		if err != nil {
			return err
		}
		now := sample{at: time.Now(), delivered: delivered, waiting: waiting}
		if before, ok := l.lowest[location]; !ok || now.waiting <= before.waiting {
			l.lowest[location] = now
		}
		if last {
			lowest := l.lowest[location]
			lowest.due = due[location]
			lowest.staffed = lowest.waiting == 0 || l.staff.serves(ctx, location)
			l.take(ctx, location, lowest)
			delete(l.lowest, location)
		}
	}
	return nil
}

func (l *load) locations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]string, 0, len(l.throttles))
	for location := range l.throttles {
		all = append(all, location)
	}
	return all
}

// take takes in what was seen of a location, and logs when it begins to be
// throttled, and when it no longer is.
func (l *load) take(ctx context.Context, location string, s sample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.throttles[location]
	after := before.next(s)
	l.throttles[location] = after
	l.throttled = false
	for _, t := range l.throttles {
		l.throttled = l.throttled || t.leaves()
	}
	switch was, is := before.leaves(), after.leaves(); {
	case is && !was:
		l.log.WarnContext(ctx, "more checks are due than workers make; some slots are left out", "location", location, "waiting", s.waiting)
	case was && !is:
		l.log.WarnContext(ctx, "workers make all checks again", "location", location)
	}
}

// leaves tells whether slots are left out.
func (t *throttle) leaves() bool { return t.keep > 0 && t.keep < 1 }

// doubt leaves out more of what was known to be ordered: a server that has
// answered before, and does not now, has too much to do. It reports whether it
// ever has.
func (l *load) doubt() (answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for location, t := range l.throttles {
		if t.measured {
			t.keep, l.throttled, answered = max(minKeep, t.keep/2), true, true
			l.throttles[location] = t
		}
	}
	return answered
}

// shares returns the shares of the locations of checks, those alone that are
// below one; nil when there are none. It notes locations that are new.
func (l *load) shares(checks []dueCheck) map[string]float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last *terms
	for i := range checks {
		own := checks[i].terms
		if own == last {
			continue // most are like the one before
		}
		last = own
		if _, known := l.throttles[own.location]; !known {
			l.throttles[own.location] = throttle{}
		}
	}
	if !l.throttled {
		return nil
	}
	shares := map[string]float64{}
	for location, t := range l.throttles {
		if t.leaves() {
			shares[location] = t.keep
		}
	}
	return shares
}
