package workers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
	"vedette/workers/doctor"
)

const (
	// readResultsTimeout bounds the reading of results.
	readResultsTimeout = 3 * time.Second
	// leaseWait bounds the wait for processes that hold a lease.
	leaseWait = 2 * time.Second
)

// TakeSnapshot looks at a running installation: its processes, their queues, the
// results of the time given, states, dead letters and streams. Results that
// cannot be read within seconds are left out, and the time is shortened to that
// of those that were. The error says what could not be looked at.
func TakeSnapshot(ctx context.Context, p *pipeline.Pipeline, window time.Duration) (doctor.Snapshot, error) {
	s, err := snapshotChecks(ctx, p, window)
	if err != nil {
		return s, err
	}
	if s.Blind, err = noDataMonitors(ctx, p); err != nil {
		return s, err
	}
	if s.DeadLetters, err = inspect.Count(ctx, p, topology.Dead); err != nil {
		return s, err
	}
	streams, err := inspect.Storage(ctx, p)
	for i := range streams {
		s.Streams = append(s.Streams, doctor.Stream(streams[i]))
	}
	return s, err
}

// snapshotChecks looks at what tells whether checks have room.
func snapshotChecks(ctx context.Context, p *pipeline.Pipeline, window time.Duration) (doctor.Snapshot, error) {
	s := doctor.Snapshot{At: time.Now(), Roles: append(Stages(), StageSchedule)}
	var err error
	if s.Processes, s.Silent, err = process.Ask(ctx, p, leaseWait); err != nil {
		return s, err
	}
	seen := map[string]bool{}
	for _, member := range s.Processes {
		for _, name := range poolNames(member.Children) {
			if seen[name] {
				continue
			}
			seen[name] = true
			queue, ok := topology.QueueNamed(name)
			if !ok {
				s.Queues = append(s.Queues, doctor.Queue{Name: name})
				continue
			}
			waiting, oldest, err := inspect.Waiting(ctx, p, queue, time.Now())
			if err != nil {
				return s, err
			}
			s.Queues = append(s.Queues, doctor.Queue{Name: name, Waiting: waiting, OldestAge: oldest})
		}
	}
	err = readResults(ctx, p, &s, window)
	return s, err
}

// poolNames are the parts of a process that run jobs.
func poolNames(children []job.ChildStatus) []string {
	var names []string
	for _, c := range children {
		if c.Jobs != nil {
			names = append(names, c.Name)
		}
		names = append(names, poolNames(c.Children)...)
	}
	return names
}

func readResults(ctx context.Context, p *pipeline.Pipeline, s *doctor.Snapshot, window time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, readResultsTimeout)
	defer cancel()
	began := time.Now()
	var count doctor.Count
	last := began
	whole, err := inspect.ReadSince(limited, p, topology.Result, window, func(d pipeline.Delivery) {
		last = d.Stored
		if batch, err := job.Decode[job.Results](d.Body); err == nil { // the evaluator buries what is none
			count.Add(batch.Results, d.Stored)
		}
	})
	if err != nil {
		return err
	}
	s.Window = window
	if !whole {
		s.Window -= began.Sub(last)
	}
	s.Window = max(time.Second, min(s.Window, longestUptime(s.Processes, began)))
	s.Locations, s.Clocks = count.Locations(), count.Clocks()
	return nil
}

// longestUptime is how long any of the processes has lived.
func longestUptime(processes []job.ProcessStatus, now time.Time) time.Duration {
	var longest time.Duration
	for i := range processes {
		longest = max(longest, now.Sub(processes[i].Process.Started))
	}
	return longest
}

// noDataReason is the reason without its details, and where the monitor is checked
// if that is said.
func noDataReason(incident *job.Incident) string {
	return strings.TrimSuffix(string(incident.Reason)+doctor.At+incident.Location, doctor.At)
}

// noDataMonitors counts them by reason; one that is checked from several locations
// counts for each that is blind.
func noDataMonitors(ctx context.Context, p *pipeline.Pipeline) (map[string]int, error) {
	states, err := p.Bucket(ctx, topology.States)
	if err != nil {
		return nil, err
	}
	entries, err := states.Load(ctx)
	if err != nil {
		return nil, err
	}
	blind := map[string]int{}
	for _, e := range entries {
		state, err := job.Decode[job.State](e.Value)
		if err != nil {
			return nil, fmt.Errorf("read state of %s: %w", e.Key, err)
		}
		for _, incident := range state.Open() {
			if incident.Condition == job.ConditionNoData {
				blind[noDataReason(incident)]++
			}
		}
	}
	return blind, nil
}
