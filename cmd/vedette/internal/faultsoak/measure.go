package faultsoak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// sighting is when and how something was seen.
type sighting struct {
	after time.Duration
	how   string
	seen  bool
}

// observation is what was seen of one injected fault.
type observation struct {
	fault                       fault
	ready, doctor, told, healed sighting
	missed                      map[job.MissReason]int
	unrecorded                  error // why the missed slots are not known
	lasted                      time.Duration
	starts                      int // of the instance, beyond what the fault did
	over                        bool
}

// limits are how long things may take.
type limits struct{ noticed, told, healed, drained time.Duration }

// watch looks at the world during a fault.
type watch struct {
	world *world
	fault fault
	began time.Time

	mu    sync.Mutex
	found observation
}

const (
	lookEvery   = 100 * time.Millisecond
	doctorEvery = time.Second
)

// measure injects one fault and observes it.
func measure(ctx context.Context, w *world, f fault, limits limits) (observation, error) {
	starts := w.main.started()
	o := &watch{world: w, fault: f, began: time.Now(), found: observation{fault: f}}
	known, err := examine(ctx, w.data)
	if err != nil {
		return o.found, err
	}
	looking, stop := context.WithCancel(ctx)
	defer stop()
	o.began = time.Now()
	if err := f.begin(ctx, w); err != nil {
		return observation{}, fmt.Errorf("begin %s: %w", f.name, err)
	}
	group, looking := errgroup.WithContext(looking)
	group.Go(func() error { return o.lookAtDoctor(looking, known) })
	group.Go(func() error { return o.look(looking) })
	err = o.lasts(ctx, limits)
	ended := time.Now()
	o.found.lasted = ended.Sub(o.began)
	if err := errors.Join(err, f.end(ctx, w)); err != nil {
		return observation{}, fmt.Errorf("end %s: %w", f.name, err)
	}
	o.heals(ctx, ended, limits)
	_ = await(ctx, max(0, limits.told-time.Since(o.began)), o.complete)
	stop()
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		return o.found, err
	}
	o.countMissed(ctx)
	o.found.starts = w.main.started() - starts - f.starts
	return o.found, ctx.Err()
}

// lasts waits as long as the fault should last.
func (o *watch) lasts(ctx context.Context, limits limits) error {
	if o.fault.hold > 0 {
		return harness.Wait(ctx, o.fault.hold)
	}
	return await(ctx, max(limits.noticed, limits.told), o.complete)
}

// await polls until a condition holds, or a limit has passed, which is no error.
func await(ctx context.Context, limit time.Duration, done func() bool) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_ = harness.Poll(limited, done)
	return ctx.Err()
}

// complete reports whether all was seen that there is to see during the fault.
func (o *watch) complete() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	shown := !o.fault.shown || o.found.ready.seen && o.found.doctor.seen
	return shown && (o.found.told.seen || o.fault.unreported != "")
}

// see notes a sighting, if it is the first.
func (o *watch) see(s *sighting, at time.Time, how string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !s.seen {
		*s = sighting{after: max(0, at.Sub(o.began)), how: how, seen: true}
	}
}

// look looks at /readyz, the mails and the watchdog until ctx ends.
func (o *watch) look(ctx context.Context) error {
	at := o.world.main
	if o.fault.at != nil {
		at = o.fault.at(o.world)
	}
	for harness.Wait(ctx, lookEvery) == nil {
		if o.fault.shown {
			if found := at.failing(ctx); len(found) > 0 && ctx.Err() == nil {
				o.see(&o.found.ready, time.Now(), strings.Join(found, ", "))
			}
		}
		o.lookForReports()
	}
	return nil
}

func (o *watch) lookForReports() {
	if o.fault.watchdog {
		if at, ok := o.world.watchdog.failed(o.began); ok {
			o.see(&o.found.told, at, "watchdog /fail")
		}
		if at, ok := o.world.watchdog.silent(o.began, time.Now()); ok {
			o.see(&o.found.told, at, "watchdog silent")
		}
	}
	if len(o.fault.mail) == 0 {
		return
	}
	for _, m := range o.world.post.since(o.began) {
		if m.to == o.fault.to && m.about(o.fault.mail, o.began) {
			o.see(&o.found.told, m.at, "mail")
		}
	}
}

// lookAtDoctor runs doctor until ctx ends.
func (o *watch) lookAtDoctor(ctx context.Context, known []string) error {
	for o.fault.shown && harness.Wait(ctx, doctorEvery) == nil {
		found, err := examine(ctx, o.world.data)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if fresh := without(found, known); len(fresh) > 0 && ctx.Err() == nil {
			o.see(&o.found.doctor, time.Now(), strings.Join(fresh, ", "))
		}
	}
	return nil
}

// heals waits for the first check after the fault ended. It waits longer than
// allowed, to report how long it took.
func (o *watch) heals(ctx context.Context, ended time.Time, limits limits) {
	const patience = 6
	slot := ended.Truncate(time.Second).Add(time.Second)
	_ = await(ctx, patience*limits.healed, func() bool {
		at, found := o.world.main.checked(ctx, o.fault.monitor)
		if at.Before(slot) || found != job.Up && o.fault.monitor != monitorControl {
			return false
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.found.healed = sighting{after: time.Since(ended), seen: true}
		return true
	})
	if o.fault.after != nil {
		_ = await(ctx, limits.told, func() bool { return o.fault.after(o.world, ended) })
		o.found.over = o.fault.after(o.world, ended)
	}
}

// countMissed counts the recorded slots without a check during the fault.
func (o *watch) countMissed(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, limitRead)
	defer cancel()
	o.found.missed = map[job.MissReason]int{}
	since := time.Since(o.began) + time.Minute // results are stored after their slots
	_, err := inspect.ReadSince(limited, o.world.pipeline, topology.Result, since, func(d pipeline.Delivery) {
		batch, err := job.DecodeKnown[job.Results](d.Body)
		if err != nil {
			return
		}
		for i := range batch.Results {
			if r := &batch.Results[i]; r.Miss != nil && r.Monitor == o.fault.monitor && !r.Miss.Last.Before(o.began.Truncate(time.Second)) {
				o.found.missed[r.Miss.Reason] += r.Miss.Count
			}
		}
	})
	o.found.unrecorded = err
}

// limitRead bounds reading the results.
const limitRead = 10 * time.Second
