package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
	"vedette/producer/schedule"
	"vedette/workers/evaluate"
)

// rechecker schedules checks between slots, with timers on the server: any
// process that gets the timer enqueues the check.
type rechecker struct {
	p *pipeline.Pipeline
}

// recheckJob is the timer's body. It has no spec: the spec may hold secrets, and
// is taken from the monitor's definition.
type recheckJob struct {
	V        int      `json:"v"`
	Monitor  string   `json:"monitor"`
	Location string   `json:"location"`
	Slot     job.Slot `json:"slot"`
}

// Recheck schedules a check for a monitor at a location. It replaces an earlier
// recheck for the same monitor and location.
func (r *rechecker) Recheck(ctx context.Context, monitor, location string, at time.Time) error {
	body, err := job.Encode(recheckJob{V: job.Version, Monitor: monitor, Location: location, Slot: at.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return r.p.SetTimer(ctx, topology.TimerRecheck, job.DeriveID("recheck", monitor, location), at, body)
}

// recheckPool takes the timers and enqueues the checks.
func (e *evaluateJobs) recheckPool() pool.Config {
	return pool.Config{Handler: handle(func(ctx context.Context, recheck recheckJob) error {
		if err := e.evaluator.Supports(recheck.Monitor); err != nil {
			return err
		}
		monitor, defined := e.evaluator.Defined(recheck.Monitor)
		if !defined || monitor.Paused || time.Since(recheck.Slot) > monitor.Period || !slices.Contains(monitor.CheckLocations(), recheck.Location) {
			return nil // its next regular slot is enough
		}
		return e.enqueueCheck(ctx, &monitor, recheck.Location, recheck.Slot)
	})}
}

// enqueueCheck enqueues a check with its own slot. A check that is already
// queued or running gives the same result, so this is no error.
func (e *evaluateJobs) enqueueCheck(ctx context.Context, m *evaluate.Monitor, location string, slot job.Slot) error {
	check := job.Check{V: job.Version, Monitor: m.Name, Slot: slot, Location: location, NotAfter: slot.Add(m.Period), Spec: m.Spec}
	name := m.Name
	if m.MultiLocation() {
		name = job.LocationName(m.Name, location)
	}
	err := pipeline.PublishJob(ctx, e.p, check, pipeline.Message{Subject: topology.CheckSubject(location, m.Name), ID: name + "@" + strconv.FormatInt(slot.Unix(), 10)})
	if err != nil && !errors.Is(err, pipeline.ErrOccupied) {
		return fmt.Errorf("enqueue recheck: %w", err)
	}
	return nil
}

// defaultPeriod is the period for a schedule that cannot be read, so that its
// monitor is never checked.
const defaultPeriod = time.Minute

// period returns the time between two slots of a monitor; for cron, between the
// next two.
func period(m job.Monitor) time.Duration {
	if m.Cron == "" {
		return cmp.Or(m.Interval.Std(), defaultPeriod)
	}
	s, err := schedule.Cron(m.Cron, m.TimeZone)
	if err != nil {
		return defaultPeriod
	}
	first := s.Next(time.Now())
	return cmp.Or(s.Next(first).Sub(first), defaultPeriod)
}
