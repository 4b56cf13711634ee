package instance

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/notify"
	"vedette/workers/web"
)

// resultAge is the age of the oldest results read at the start.
const resultAge = 24 * time.Hour

// Feed supplies the status page with definitions, states and results.
type Feed struct {
	Pipeline   *pipeline.Pipeline
	Monitors   *web.MonitorTable
	Heartbeats *workers.Heartbeats
	// Results, when set, receives all results too.
	Results func([]job.Result)
}

// Serve updates the monitor table until ctx ends.
func (f *Feed) Serve(ctx context.Context) error {
	buckets, err := pipeline.Buckets(ctx, f.Pipeline, topology.Monitors, topology.States)
	if err != nil {
		return err
	}
	nothing := func() {}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return buckets[topology.Monitors].Watch(ctx, f.updateMonitor, f.Heartbeats.SetLoaded) })
	group.Go(func() error { return buckets[topology.States].Watch(ctx, f.updateState, nothing) })
	group.Go(func() error { return inspect.Tail(ctx, f.Pipeline, topology.Result, resultAge, f.addResults) })
	return group.Wait()
}

func (f *Feed) updateMonitor(e pipeline.Entry) {
	name, ok := topology.CutMonitorKey(e.Key)
	if !ok {
		return
	}
	monitor, err := job.DecodeKnown[job.Monitor](e.Value)
	if e.Deleted || err != nil { // the scheduler logs the error
		f.Monitors.Undefine(name)
		f.Heartbeats.Undefine(name)
		return
	}
	f.Monitors.Define(monitor)
	f.Heartbeats.Define(monitor)
}

func (f *Feed) updateState(e pipeline.Entry) {
	if state, err := job.DecodeKnown[job.State](e.Value); err == nil && !e.Deleted {
		f.Monitors.SetState(state)
	}
}

func (f *Feed) addResults(d pipeline.Delivery) {
	batch, err := job.DecodeKnown[job.Results](d.Body)
	if err != nil {
		return // the evaluator stores it as a dead letter
	}
	for i := range batch.Results {
		f.Monitors.AddResult(batch.Results[i])
	}
	if f.Results != nil {
		f.Results(batch.Results)
	}
}

// printChanges prints a line for each later change in a monitor.
func (r *instanceRun) printChanges(ctx context.Context) error {
	states, err := r.pipeline.Bucket(ctx, topology.States)
	if err != nil {
		return err
	}
	printed := map[string][]string{} // for each monitor, the events in its state
	loaded := false
	return states.Watch(ctx, func(e pipeline.Entry) {
		state, err := job.DecodeKnown[job.State](e.Value)
		if err != nil || e.Deleted {
			return
		}
		fresh := newEvents(printed, state)
		for i := range fresh {
			if loaded {
				cli.Writef(r.stdout, "%s\n", changeLine(&fresh[i]))
			}
		}
	}, func() { loaded = true })
}

// newEvents returns the events in a state that were not there before.
func newEvents(seen map[string][]string, state job.State) []job.Event {
	known := map[string]bool{}
	for _, id := range seen[state.Monitor] {
		known[id] = true
	}
	var fresh []job.Event
	ids := make([]string, len(state.Events))
	for i, event := range state.Events {
		ids[i] = event.ID
		if !known[event.ID] {
			fresh = append(fresh, event)
		}
	}
	seen[state.Monitor] = ids
	return fresh
}

// changeLine describes a change for the terminal.
func changeLine(e *job.Event) string {
	return fmt.Sprintf("%s %-7s %s: %s", e.At.Local().Format(time.DateTime), notify.Tag(e), e.Incident.Monitor, notify.Summary(e))
}
