package producer

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// table is what a scheduler knows of the monitors: by shard, since that is how
// the clock asks. It is made for a million of them: a monitor costs some 200
// bytes, and a tick looks only at those that are due. When it held definitions
// in maps that each tick went through, it took a kilobyte for each, and a fifth
// of all the time that checks cost.
type table struct {
	mu     sync.RWMutex
	shards []shard
	terms  map[terms]*terms
}

// shard is a part of the monitors.
type shard struct {
	entries map[string]*entry
	rings   map[int64]ring    // of intervals, by their seconds
	crons   map[string]*entry // of the others, which are few
}

// ring holds the monitors of one interval, by the second of it in which they
// are due.
type ring map[int64][]*entry

// entry is one monitor. It does not change: a new definition is another one.
type entry struct {
	name string
	form job.CheckForm
	// since is the second in which the definition was written: slots before it
	// were none.
	since int64
	terms *terms
}

// terms are what many monitors have in common.
type terms struct {
	location string
	period   time.Duration
	paused   bool
	interval time.Duration
	cron     schedule.Schedule // of those without an interval
}

func newTable(shards int) *table {
	t := &table{shards: make([]shard, shards), terms: map[terms]*terms{}}
	for i := range t.shards {
		t.shards[i] = shard{entries: map[string]*entry{}, rings: map[int64]ring{}, crons: map[string]*entry{}}
	}
	return t
}

// maxPeriod bounds how late a cron slot may still run, and how long its check
// may wait for a worker.
const maxPeriod = time.Hour

// newEntry prepares a monitor; written is when its definition was stored.
func newEntry(m job.Monitor, written time.Time) (*entry, error) {
	common := terms{location: m.Location, period: m.Interval.Std(), paused: m.Paused, interval: m.Interval.Std()}
	if common.location == "" {
		common.location = job.DefaultLocation
	}
	var err error
	if m.Cron == "" {
		_, err = schedule.Every(m.Interval.Std(), m.Name)
	} else {
		common.cron, err = schedule.Cron(m.Cron, m.TimeZone)
	}
	if err != nil {
		return nil, fmt.Errorf("read schedule of %s: %w", m.Name, err)
	}
	if m.Cron != "" {
		first := common.cron.Next(written)
		common.period, common.interval = min(common.cron.Next(first).Sub(first), maxPeriod), 0
	}
	form, err := job.NewCheckForm(job.Check{V: job.Version, Monitor: m.Name, Location: common.location, Spec: m.Spec})
	if err != nil {
		return nil, err
	}
	return &entry{name: m.Name, form: form, since: written.Unix(), terms: &common}, nil
}

// schedule is when the monitor is due.
func (e *entry) schedule() schedule.Schedule {
	if e.terms.interval == 0 {
		return e.terms.cron
	}
	s, err := schedule.Every(e.terms.interval, e.name)
	if err != nil {
		return schedule.Schedule{} // newEntry has refused it
	}
	return s
}

// place is where in its ring the monitor stands.
func (e *entry) place() (interval, phase int64) {
	interval = int64(e.terms.interval / time.Second)
	return interval, e.schedule().Next(time.Unix(0, 0)).Unix() % interval
}

func (t *table) set(name string, e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.terms = t.shared(e.terms)
	s := &t.shards[job.Shard(name, len(t.shards))]
	s.remove(name)
	s.entries[name] = e
	if e.terms.interval == 0 {
		s.crons[name] = e
		return
	}
	interval, phase := e.place()
	if s.rings[interval] == nil {
		s.rings[interval] = ring{}
	}
	s.rings[interval][phase] = append(s.rings[interval][phase], e)
}

// shared is the one copy of terms. A schedule by cron is parsed for each monitor,
// and is its own.
func (t *table) shared(own *terms) *terms {
	if own.interval == 0 {
		return own
	}
	if known, ok := t.terms[*own]; ok {
		return known
	}
	t.terms[*own] = own
	return own
}

func (t *table) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shards[job.Shard(name, len(t.shards))].remove(name)
}

func (s *shard) remove(name string) {
	e := s.entries[name]
	if e == nil {
		return
	}
	delete(s.entries, name)
	delete(s.crons, name)
	if e.terms.interval == 0 {
		return
	}
	interval, phase := e.place()
	at := s.rings[interval]
	at[phase] = slices.DeleteFunc(at[phase], func(other *entry) bool { return other == e })
}

// due is what a tick has to do: the checks to publish, and the slots that are
// too late for one.
type due struct {
	checks []dueCheck
	missed []job.Result
}

// dueCheck is the check of a slot.
type dueCheck struct {
	*entry

	slot time.Time
}

func (d *due) empty() bool { return len(d.checks) == 0 && len(d.missed) == 0 }

// minAllowance is how late a slot may be checked whatever its interval, up to
// the interval itself: a restart must not cost a minute's check.
const minAllowance = 10 * time.Second

// due decides the slots of a shard after cursor, up to and including tick. A
// zero cursor means that the shard was never handled.
func (t *table) due(shard int, cursor, tick time.Time) due {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var d due
	s := &t.shards[shard]
	for _, e := range s.crons {
		d.decide(e, cursor, tick)
	}
	for interval, r := range s.rings {
		r.each(interval, cursor, tick, func(e *entry) { d.decide(e, cursor, tick) })
	}
	return d
}

// each calls do for the monitors that have a slot after cursor, up to and
// including tick; those of a shard that was never handled, in the tick's second.
func (r ring) each(interval int64, cursor, tick time.Time, do func(*entry)) {
	last := tick.Unix()
	first := last
	if !cursor.IsZero() {
		first = max(cursor.Unix()+1, last-interval+1) // all of them, each once, after a long pause
	}
	for second := first; second <= last; second++ {
		for _, e := range r[second%interval] {
			do(e)
		}
	}
}

// decide adds what is to be done for one monitor.
func (d *due) decide(e *entry, cursor, tick time.Time) {
	period := e.terms.period
	allowance := min(period, max(minAllowance, period/10))
	decision := schedule.Decide(e.schedule(), e.after(cursor), tick, allowance)
	if decision.Missed.Count > 0 {
		d.missed = append(d.missed, missed(e.name, decision.Missed))
	}
	switch {
	case decision.Run.IsZero():
	case e.terms.paused:
		d.missed = append(d.missed, job.Result{
			Monitor: e.name, Slot: decision.Run, Miss: &job.Miss{Reason: job.MissPaused, Count: 1, Last: decision.Run},
		})
	default:
		d.checks = append(d.checks, dueCheck{entry: e, slot: decision.Run})
	}
}

// after is where the monitor's own time begins: a definition that is younger
// than the cursor has no earlier slots.
func (e *entry) after(cursor time.Time) time.Time {
	if cursor.IsZero() || cursor.Unix() > e.since {
		return cursor
	}
	return time.Unix(e.since, 0).UTC()
}

// encode is the check as it travels.
func (c dueCheck) encode() []byte { return c.form.Encode(c.slot, c.slot.Add(c.terms.period)) }

func missed(name string, w schedule.Window) job.Result {
	return job.Result{Monitor: name, Slot: w.First, Miss: &job.Miss{Reason: job.MissLate, Count: w.Count, Last: w.Last}}
}
