package recovery

import (
	"context"
	"errors"
	"fmt"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Reconcile makes states and notification logs agree, and returns the monitors
// whose states it wrote. logsLost reports that notification logs were lost. It
// runs before the stages evaluate and notify.
func Reconcile(ctx context.Context, p *pipeline.Pipeline, logsLost bool) ([]string, error) {
	buckets, err := pipeline.Buckets(ctx, p, topology.Monitors, topology.States, topology.Notifications)
	if err != nil {
		return nil, err
	}
	w := world{states: map[string]job.State{}, logs: map[string][]job.NotificationLog{}, defined: map[string]bool{}, logsLost: logsLost}
	revisions := map[string]uint64{}
	err = errors.Join(
		buckets[topology.States].Each(ctx, func(e pipeline.Entry) {
			revisions[e.Key] = e.Revision
			if state, err := job.Decode[job.State](e.Value); err == nil { // others are reported by their readers
				w.states[e.Key] = state
			}
		}),
		buckets[topology.Notifications].Each(ctx, func(e pipeline.Entry) {
			if log, err := job.Decode[job.NotificationLog](e.Value); err == nil && log.Monitor != "" { // groups have no monitor
				w.logs[log.Monitor] = append(w.logs[log.Monitor], log)
			}
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("reconcile states and notifications: %w", err)
	}
	for monitor := range w.logs {
		if _, ok := w.states[monitor]; ok {
			continue
		}
		_, err := buckets[topology.Monitors].Get(ctx, topology.MonitorKey(monitor))
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return nil, fmt.Errorf("reconcile states and notifications: %w", err)
		}
		w.defined[monitor] = err == nil
	}
	var written []string
	for _, state := range plan(w) {
		body, err := job.Encode(state)
		if err != nil {
			return written, fmt.Errorf("reconcile %s: %w", state.Monitor, err)
		}
		_, err = buckets[topology.States].CompareAndSwap(ctx, state.Monitor, body, revisions[state.Monitor])
		if errors.Is(err, job.ErrConflict) {
			continue // another process evaluates it
		}
		if err != nil {
			return written, fmt.Errorf("reconcile %s: %w", state.Monitor, err)
		}
		written = append(written, state.Monitor)
	}
	return written, nil
}
