package producer

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
)

// loadWatch watches the check queues and decides which share of a location's
// slots is checked. It asks the server several times a second about each
// location in use, without delaying ticks.
//
// The lowest queue length within a second counts. All checks for a second are
// published at its start, so the number of waiting checks depends more on the
// moment of the sample than on the workers.
type loadWatch struct {
	p       *pipeline.Pipeline
	log     *slog.Logger
	workers *workerPresence
	demand  func() map[string]float64 // slots per second, by location

	mu        sync.Mutex
	throttles map[string]throttle    // by location
	lowest    map[string]queueSample // by location, since the last update
	throttled bool                   // any location sheds slots
}

const (
	sampleInterval = 250 * time.Millisecond
	// samplesPerUpdate makes an update once a second.
	samplesPerUpdate = 4
	// requestTimeout bounds one request. If the server does not answer in time,
	// it is overloaded, or does not permit the request.
	requestTimeout = 2 * time.Second
	// failurePause is the pause after a failure if the server has never
	// answered.
	failurePause = time.Minute
)

func newLoadWatch(p *pipeline.Pipeline, log *slog.Logger, staff *workerPresence, due func() map[string]float64) *loadWatch {
	return &loadWatch{p: p, log: log, workers: staff, demand: due, throttles: map[string]throttle{}, lowest: map[string]queueSample{}}
}

// serve samples the queues until ctx ends.
func (l *loadWatch) serve(ctx context.Context) error {
	ticker := time.NewTicker(sampleInterval)
	defer ticker.Stop()
	var pausedUntil time.Time
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if now.Before(pausedUntil) || !l.p.Connected() {
				continue
			}
			if err := l.sample(ctx, turn%samplesPerUpdate == 0); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "check queues could not be sampled; trying again", "error", err)
				if !l.assumeOverload() {
					pausedUntil = now.Add(failurePause)
				}
			}
		}
	}
}

// sample samples the queue at each location; last completes an update.
func (l *loadWatch) sample(ctx context.Context, last bool) error {
	var due map[string]float64
	if last {
		due = l.demand()
	}
	for _, location := range l.locations() {
		limited, cancel := context.WithTimeout(ctx, requestTimeout)
		delivered, waiting, err := inspect.Delivered(limited, l.p, topology.CheckConsumer(location))
		cancel()
		if err != nil {
			return err
		}
		now := queueSample{at: time.Now(), delivered: delivered, waiting: waiting}
		if before, ok := l.lowest[location]; !ok || now.waiting <= before.waiting {
			l.lowest[location] = now
		}
		if last {
			lowest := l.lowest[location]
			lowest.demand = due[location]
			lowest.hasWorkers = lowest.waiting == 0 || l.workers.exists(ctx, location)
			l.update(ctx, location, lowest)
			delete(l.lowest, location)
		}
	}
	return nil
}

func (l *loadWatch) locations() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.throttles))
}

// update updates a location's throttle, and logs when shedding starts or ends.
func (l *loadWatch) update(ctx context.Context, location string, s queueSample) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.throttles[location]
	after := before.next(s)
	l.throttles[location] = after
	l.throttled = false
	for _, t := range l.throttles {
		l.throttled = l.throttled || t.sheds()
	}
	switch was, is := before.sheds(), after.sheds(); {
	case is && !was:
		l.log.WarnContext(ctx, "more checks are due than the workers can make; some slots are shed", "location", location, "waiting", s.waiting)
	case was && !is:
		l.log.WarnContext(ctx, "all checks are made again", "location", location)
	}
}

// sheds reports whether slots are shed.
func (t *throttle) sheds() bool { return t.keep > 0 && t.keep < 1 }

// assumeOverload halves the shares of known locations: a server that has
// answered before and no longer does is overloaded. It reports whether the
// server has ever answered.
func (l *loadWatch) assumeOverload() (answered bool) {
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

// shares returns the shares below one by location, or nil if there are none,
// and adds the locations of new checks.
func (l *loadWatch) shares(checks []dueCheck) map[string]float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var last *profile
	for i := range checks {
		own := checks[i].profile
		if own == last {
			continue // as for most checks
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
		if t.sheds() {
			shares[location] = t.keep
		}
	}
	return shares
}

// workerPresence knows at which locations a process makes checks.
type workerPresence struct {
	p   *pipeline.Pipeline
	log *slog.Logger

	mu     sync.Mutex
	cached map[string]cachedPresence // by location
}

// cachedPresence is an answer from the server.
type cachedPresence struct {
	exists bool
	at     time.Time
}

// checkStage is the stage that makes checks, as in the processes' leases.
const checkStage = "check"

// presenceMaxAge is how long an answer is used: leases change every few
// seconds.
const presenceMaxAge = 5 * time.Second

func newWorkerPresence(p *pipeline.Pipeline, log *slog.Logger) *workerPresence {
	return &workerPresence{p: p, log: log, cached: map[string]cachedPresence{}}
}

// exists reports whether a process makes checks at a location. If that cannot
// be determined, it returns true: the reason for a miss is not worth an error.
func (s *workerPresence) exists(ctx context.Context, location string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.cached[location]; ok && time.Since(known.at) < presenceMaxAge {
		return known.exists
	}
	serves, err := process.Serves(ctx, s.p, checkStage, location)
	if err != nil {
		s.log.WarnContext(ctx, "workers could not be looked up", "location", location, "error", err)
		serves = true
	}
	s.cached[location] = cachedPresence{exists: serves, at: time.Now()}
	return serves
}
