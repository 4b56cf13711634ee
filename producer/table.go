package producer

import (
	"fmt"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// table is what a scheduler knows of the monitors: by shard, since that is how
// the clock asks.
type table struct {
	mu     sync.RWMutex
	shards []map[string]entry
}

// entry is one monitor's schedule and the check that its slots order.
type entry struct {
	schedule schedule.Schedule
	// since is when the definition was written: slots before it were none.
	since   time.Time
	period  time.Duration
	subject string
	paused  bool
	check   job.Check // without its slot
}

func newTable(shards int) *table {
	t := &table{shards: make([]map[string]entry, shards)}
	for i := range t.shards {
		t.shards[i] = map[string]entry{}
	}
	return t
}

// maxPeriod bounds how late a cron slot may still run, and how long its check
// may wait for a worker.
const maxPeriod = time.Hour

// newEntry prepares a monitor; written is when its definition was stored.
func newEntry(m job.Monitor, written time.Time) (entry, error) {
	location := m.Location
	if location == "" {
		location = job.DefaultLocation
	}
	e := entry{
		since: written, period: m.Interval.Std(), paused: m.Paused, subject: pipeline.CheckSubject(location, m.Name),
		check: job.Check{V: job.Version, Monitor: m.Name, Location: location, Spec: m.Spec},
	}
	var err error
	if m.Cron == "" {
		e.schedule, err = schedule.Every(m.Interval.Std(), m.Name)
	} else {
		e.schedule, err = schedule.Cron(m.Cron, m.TimeZone)
	}
	if err != nil {
		return entry{}, fmt.Errorf("read schedule of %s: %w", m.Name, err)
	}
	if m.Cron != "" {
		first := e.schedule.Next(written)
		e.period = min(e.schedule.Next(first).Sub(first), maxPeriod)
	}
	return e, nil
}

func (t *table) set(name string, e entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shards[job.Shard(name, len(t.shards))][name] = e
}

func (t *table) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.shards[job.Shard(name, len(t.shards))], name)
}

// due is what a tick has to do: the checks to publish, and the slots that are
// too late for one.
type due struct {
	checks []job.Check
	missed []job.Result
}

func (d due) empty() bool { return len(d.checks) == 0 && len(d.missed) == 0 }

// minAllowance is how late a slot may be checked whatever its interval, up to
// the interval itself: a restart must not cost a minute's check.
const minAllowance = 10 * time.Second

// due decides the slots of a shard after cursor, up to and including tick. A
// zero cursor means that the shard was never handled.
func (t *table) due(shard int, cursor, tick time.Time) due {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var d due
	for name, e := range t.shards[shard] {
		allowance := min(e.period, max(minAllowance, e.period/10))
		decision := schedule.Decide(e.schedule, e.after(cursor), tick, allowance)
		if decision.Missed.Count > 0 {
			d.missed = append(d.missed, missed(name, decision.Missed))
		}
		switch {
		case decision.Run.IsZero():
		case e.paused:
			d.missed = append(d.missed, job.Result{
				Monitor: name, Slot: decision.Run, Miss: &job.Miss{Reason: job.MissPaused, Count: 1, Last: decision.Run},
			})
		default:
			check := e.check
			check.Slot, check.NotAfter = decision.Run, decision.Run.Add(e.period)
			d.checks = append(d.checks, check)
		}
	}
	return d
}

// after is where the monitor's own time begins: a definition that is younger
// than the cursor has no earlier slots.
func (e entry) after(cursor time.Time) time.Time {
	if cursor.IsZero() || cursor.After(e.since) {
		return cursor
	}
	return e.since
}

func missed(name string, w schedule.Window) job.Result {
	return job.Result{Monitor: name, Slot: w.First, Miss: &job.Miss{Reason: job.MissLate, Count: w.Count, Last: w.Last}}
}
