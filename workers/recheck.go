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

// rechecker orders checks out of turn, by timers of the server's: whoever lives
// when one fires orders the check.
type rechecker struct {
	p *pipeline.Pipeline
}

// recheckJob is what such a timer holds. The spec is not in it: whoever takes it
// knows the definition, which may hold secrets.
type recheckJob struct {
	V        int      `json:"v"`
	Monitor  string   `json:"monitor"`
	Location string   `json:"location"`
	Slot     job.Slot `json:"slot"`
}

// Recheck has a monitor checked at a location at a time soon to come. A second
// one for the same takes the place of the first.
func (r *rechecker) Recheck(ctx context.Context, monitor, location string, at time.Time) error {
	body, err := job.Encode(recheckJob{V: job.Version, Monitor: monitor, Location: location, Slot: at.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return r.p.SetTimer(ctx, topology.TimerRecheck, job.DeriveID("recheck", monitor, location), at, body)
}

// recheckPool takes the timers, and orders the checks.
func (j *evaluateStage) recheckPool() pool.Config {
	config, evaluator := j.base, j.evaluator
	config.Stage, config.Backoff = StageEvaluate, retryBackoff()
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error {
		order, err := job.Decode[recheckJob](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		if err := evaluator.Knows(order.Monitor); err != nil {
			return err
		}
		monitor, defined := evaluator.Defined(order.Monitor)
		if !defined || monitor.Paused || time.Since(order.Slot) > monitor.Period || !slices.Contains(monitor.CheckLocations(), order.Location) {
			return nil // its next slot comes anyway
		}
		return j.order(ctx, &monitor, order.Location, order.Slot)
	}
	return config
}

// order orders the check of a monitor for a slot of its own. One that is queued
// or running already will tell as much.
func (j *evaluateStage) order(ctx context.Context, m *evaluate.Monitor, location string, slot job.Slot) error {
	body, err := job.Encode(job.Check{V: job.Version, Monitor: m.Name, Slot: slot, Location: location, NotAfter: slot.Add(m.Period), Spec: m.Spec})
	if err != nil {
		return err
	}
	name := m.Name
	if m.MultiLocation() {
		name = job.LocationName(m.Name, location)
	}
	err = j.p.Publish(ctx, pipeline.Message{Subject: topology.CheckSubject(location, m.Name), Body: body, ID: name + "@" + strconv.FormatInt(slot.Unix(), 10)})
	if err != nil && !errors.Is(err, pipeline.ErrOccupied) {
		return fmt.Errorf("order recheck: %w", err)
	}
	return nil
}

// defaultPeriod is the period of a schedule that cannot be read, whose monitor
// is never checked.
const defaultPeriod = time.Minute

// period is the time from slot to slot of a monitor, for cron the one between
// its next two slots.
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
