package workers

import (
	"context"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/stranded"
	"vedette/pipeline/topology"
	"vedette/workers/doctor"
)

const (
	// readResultsTimeout bounds the time for reading results.
	readResultsTimeout = 3 * time.Second
	// leaseWait bounds the wait for processes that hold a lease.
	leaseWait = 2 * time.Second
)

// readTimeout bounds the time for all that is read from streams: while they cannot
// be read, that takes long.
const readTimeout = 20 * time.Second

// TakeSnapshot reads the state of a running installation: processes, queues,
// results within the given window, monitor states, dead letters and streams.
// When the results cannot be read within seconds, the window in the snapshot is
// shortened to the part that was read. What cannot be read at all is said in the
// snapshot; the error means that the processes cannot be asked.
func TakeSnapshot(ctx context.Context, p *pipeline.Pipeline, window time.Duration) (doctor.Snapshot, error) {
	s, err := askProcesses(ctx, p)
	if err != nil {
		return s, err
	}
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s.Unread = readSnapshot(limited, p, &s, window)
	return s, context.Cause(ctx)
}

// askProcesses begins a snapshot with what the processes say.
func askProcesses(ctx context.Context, p *pipeline.Pipeline) (doctor.Snapshot, error) {
	s := doctor.Snapshot{At: time.Now(), Stages: append(Stages(), StageSchedule)}
	var err error
	s.Processes, s.Silent, err = process.Ask(ctx, p, leaseWait)
	return s, err
}

// readSnapshot reads what streams and buckets have.
func readSnapshot(ctx context.Context, p *pipeline.Pipeline, s *doctor.Snapshot, window time.Duration) error {
	if err := snapshotChecks(ctx, p, s, window); err != nil {
		return err
	}
	var err error
	if s.NoData, err = noDataMonitors(ctx, p); err != nil {
		return err
	}
	if s.Unchecked, err = uncheckedMonitors(ctx, p, s); err != nil {
		return err
	}
	if s.DeadLetters, err = inspect.Count(ctx, p, topology.Dead); err != nil {
		return err
	}
	if s.Stranded, err = strandedJobs(ctx, p); err != nil {
		return err
	}
	streams, err := inspect.Storage(ctx, p)
	for i := range streams {
		s.Streams = append(s.Streams, doctor.Stream(streams[i]))
	}
	return err
}

// uncheckedMonitors counts the monitors that should have a result within the
// window, if there is no result at all.
func uncheckedMonitors(ctx context.Context, p *pipeline.Pipeline, s *doctor.Snapshot) (int, error) {
	for i := range s.Locations {
		if s.Locations[i].Checked > 0 {
			return 0, nil
		}
	}
	monitors, err := p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return 0, err
	}
	unchecked := 0
	err = monitors.Each(ctx, func(e pipeline.Entry) {
		if _, ok := topology.CutMonitorKey(e.Key); !ok {
			return // a recipient
		}
		m, err := job.DecodeKnown[job.Monitor](e.Value)
		due := m.Interval.Std() + m.Timeout.Std() // one with a cron expression may not be due
		if err == nil && !m.Paused && m.Interval > 0 && due < s.Window && s.At.Sub(e.Written) > due {
			unchecked++
		}
	})
	return unchecked, err
}

// strandedJobs returns the subjects of jobs that are certainly stranded, by queue.
func strandedJobs(ctx context.Context, p *pipeline.Pipeline) (map[string][]string, error) {
	found, err := stranded.FindCertain(ctx, p)
	if err != nil {
		return nil, err
	}
	subjects := map[string][]string{}
	for i := range found {
		queue := found[i].Consumer.Name
		subjects[queue] = append(subjects[queue], found[i].Subject)
	}
	return subjects, nil
}

// snapshotChecks reads the part that shows the capacity for checks.
func snapshotChecks(ctx context.Context, p *pipeline.Pipeline, s *doctor.Snapshot, window time.Duration) error {
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
				return err
			}
			s.Queues = append(s.Queues, doctor.Queue{Name: name, Waiting: waiting, OldestAge: oldest})
		}
	}
	return readResults(ctx, p, s, window)
}

// poolNames returns the names of a process's pools.
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
	var stats doctor.ResultStats
	last := began
	whole, err := inspect.ReadSince(limited, p, topology.Result, window, func(d pipeline.Delivery) {
		last = d.Stored
		if batch, err := job.Decode[job.Results](d.Body); err == nil { // the evaluator handles invalid batches
			stats.Add(batch.Results, d.Stored)
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
	s.Locations, s.Clocks = stats.Locations(), stats.Clocks()
	return nil
}

func longestUptime(processes []job.ProcessStatus, now time.Time) time.Duration {
	var longest time.Duration
	for i := range processes {
		if started := processes[i].Process.Started; !started.IsZero() { // unknown for a newer process
			longest = max(longest, now.Sub(started))
		}
	}
	return longest
}

// noDataMonitors counts monitors without data by cause. A monitor with several
// locations counts once for each affected location.
func noDataMonitors(ctx context.Context, p *pipeline.Pipeline) (map[doctor.NoDataCause]int, error) {
	states, err := pipeline.LoadAll(ctx, p, topology.States, ">", job.Decode[job.State])
	if err != nil {
		return nil, err
	}
	counts := map[doctor.NoDataCause]int{}
	for i := range states {
		for _, incident := range states[i].Open() {
			if incident.Condition == job.ConditionNoData {
				counts[doctor.NoDataCause{Reason: incident.Reason, Location: incident.Location}]++
			}
		}
	}
	return counts, nil
}
