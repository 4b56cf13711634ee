package producer

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// table is what a scheduler knows of the monitors: by shard, since that is how
// the clock asks. It is made for a million of them: a monitor costs some 80
// bytes, none of which the garbage collector looks at, and a tick looks only at
// those that are due. When it held definitions in maps that each tick went
// through, it took a kilobyte for each, and a fifth of all the time that checks
// cost.
type table struct {
	mu     sync.RWMutex
	shards []shard
	known  map[terms]uint32 // where in terms they are
	terms  []terms
	users  []int // of each of the terms, how many monitors have them
}

// shard is a part of the monitors. The text of an entry is what is left of its
// check's form: the target, as a rule.
type shard struct {
	entries   compact.Map[entry]
	templates compact.Templates
	rings     map[time.Duration]ring
	crons     map[compact.ID]*terms // of those without an interval, which are few
	placed    map[string][]string   // the entries of monitors that have several locations, one for each
}

// ring holds the monitors of one interval, by the second of it in which they
// are due.
type ring map[int64][]compact.ID

// entry is one monitor.
type entry struct {
	// since is the second in which the definition was written, until 2106: slots
	// before it were none.
	since          uint32
	terms          uint32 // which of the table's, unless it is among the crons
	template       uint32 // of the form
	slot, notAfter uint16 // of the form
}

// terms are what many monitors have in common.
type terms struct {
	location string
	period   time.Duration
	paused   bool
	newer    bool // of a version that this scheduler does not read
	interval time.Duration
	cron     schedule.Schedule // of those without an interval
}

// definition is a monitor as the table takes it in, at one of its locations.
type definition struct {
	name  string // of the monitor, or of it and the location where it has several
	form  job.CheckTemplate
	word  string // of the form that few others have: the target
	since time.Time
	terms terms
}

func newTable(shards int) *table {
	t := &table{shards: make([]shard, shards), known: map[terms]uint32{}}
	for i := range t.shards {
		t.shards[i].rings, t.shards[i].crons = map[time.Duration]ring{}, map[compact.ID]*terms{}
		t.shards[i].placed = map[string][]string{}
	}
	return t
}

// maxPeriod bounds how late a cron slot may still run, and how long its check
// may wait for a worker.
const maxPeriod = time.Hour

// newDefinitions prepares a monitor for each of its locations; written is when
// its definition was stored.
func newDefinitions(m *job.Monitor, written time.Time) ([]definition, error) {
	var all []definition
	for _, location := range m.CheckLocations() {
		d, err := newDefinition(m, location, written)
		if err != nil {
			return nil, err
		}
		if m.MultiLocation() {
			d.name = job.LocationName(m.Name, location)
		}
		all = append(all, d)
	}
	return all, nil
}

func newDefinition(m *job.Monitor, location string, written time.Time) (definition, error) {
	d := definition{name: m.Name, word: m.Target(), since: written}
	d.terms = terms{location: location, period: m.Interval.Std(), paused: m.Paused, interval: m.Interval.Std()}
	var err error
	if m.Cron == "" {
		_, err = schedule.Every(m.Interval.Std(), m.Name)
	} else {
		d.terms.cron, err = schedule.Cron(m.Cron, m.TimeZone)
	}
	if err != nil {
		return d, fmt.Errorf("read schedule of %s: %w", m.Name, err)
	}
	if m.Cron != "" {
		first := d.terms.cron.Next(written)
		d.terms.period, d.terms.interval = min(d.terms.cron.Next(first).Sub(first), maxPeriod), 0
	}
	d.form, err = job.NewCheckTemplate(job.Check{V: job.Version, Monitor: m.Name, Location: location, Spec: m.Spec})
	return d, err
}

// schedule is when a monitor is due.
func (t *terms) schedule(name string) schedule.Schedule {
	if t.interval == 0 {
		return t.cron
	}
	s, err := schedule.Every(t.interval, name)
	if err != nil {
		return schedule.Schedule{} // newDefinition has refused it
	}
	return s
}

// phase is the second of the interval in which a monitor is due.
func (t *terms) phase(name string) int64 {
	return t.schedule(name).Next(time.Unix(0, 0)).Unix() % int64(t.interval/time.Second)
}

// set takes in the definitions of a monitor, in place of those that it had.
func (t *table) set(name string, all []definition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.shardOf(name)
	if _, was := s.placed[name]; was || len(all) > 1 {
		t.drop(s, name)
		for i := range all {
			s.placed[name] = append(s.placed[name], all[i].name)
		}
	}
	for i := range all {
		t.put(s, &all[i])
	}
}

func (t *table) put(s *shard, d *definition) {
	t.forget(s, d.name)
	rest, template := s.templates.Split(d.form.Body, monitorOf(d.name), d.word)
	id := s.entries.Put(d.name, rest)
	e := entry{since: uint32(max(0, d.since.Unix())), template: template, slot: d.form.SlotOffset, notAfter: d.form.NotAfterOffset} //nolint:gosec // see there
	if d.terms.interval == 0 {
		s.crons[id] = &d.terms
	} else {
		e.terms = t.shared(d.terms)
		t.users[e.terms]++
		s.join(id, d.terms.interval, d.terms.phase(monitorOf(d.name)))
	}
	*s.entries.Value(id) = e
}

func (s *shard) join(id compact.ID, interval time.Duration, phase int64) {
	if s.rings[interval] == nil {
		s.rings[interval] = ring{}
	}
	s.rings[interval][phase] = append(s.rings[interval][phase], id)
}

// shared is where in the table the terms are.
func (t *table) shared(own terms) uint32 {
	at, ok := t.known[own]
	if !ok {
		at = uint32(len(t.terms)) //nolint:gosec // a few
		t.terms, t.users, t.known[own] = append(t.terms, own), append(t.users, 0), at
	}
	return at
}

func (t *table) shardOf(name string) *shard { return &t.shards[job.Shard(name, len(t.shards))] }

func (t *table) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(t.shardOf(name), name)
}

// drop removes a monitor's entries.
func (t *table) drop(s *shard, name string) {
	for _, own := range append(s.placed[name], name) {
		t.forget(s, own)
		s.entries.Delete(own)
	}
	delete(s.placed, name)
}

// monitorOf is the monitor of an entry: all its locations have the same slots.
func monitorOf(name string) string {
	monitor, _ := job.CutLocationName(name)
	return monitor
}

// forget takes a monitor out of its schedule.
func (t *table) forget(s *shard, name string) {
	id, known := s.entries.Find(name)
	if !known {
		return
	}
	if s.crons[id] != nil {
		delete(s.crons, id)
		return
	}
	terms := &t.terms[s.entries.Value(id).terms]
	t.users[s.entries.Value(id).terms]--
	at, phase := s.rings[terms.interval], terms.phase(monitorOf(name))
	at[phase] = slices.DeleteFunc(at[phase], func(other compact.ID) bool { return other == id })
}

// due is what a tick has to do: the checks to publish, and the slots that are
// too late for one.
type due struct {
	checks []dueCheck
	missed []job.Result
}

// dueCheck is the check of a slot.
type dueCheck struct {
	name  string // of the entry
	form  job.CheckTemplate
	terms *terms
	slot  time.Time
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
	for id, own := range s.crons {
		d.decide(s, id, own, cursor, tick)
	}
	for interval, r := range s.rings {
		r.each(interval, cursor, tick, func(id compact.ID) {
			d.decide(s, id, &t.terms[s.entries.Value(id).terms], cursor, tick)
		})
	}
	return d
}

// each calls do for the monitors that have a slot after cursor, up to and
// including tick; those of a shard that was never handled, in the tick's second.
func (r ring) each(interval time.Duration, cursor, tick time.Time, do func(compact.ID)) {
	round, last := int64(interval/time.Second), tick.Unix()
	first := last
	if !cursor.IsZero() {
		first = max(cursor.Unix()+1, last-round+1) // all of them, each once, after a long pause
	}
	for second := first; second <= last; second++ {
		for _, id := range r[second%round] {
			do(id)
		}
	}
}

// decide adds what is to be done for one monitor.
func (d *due) decide(s *shard, id compact.ID, own *terms, cursor, tick time.Time) {
	e, name := s.entries.Value(id), string(s.entries.Name(id))
	monitor, location := job.CutLocationName(name)
	allowance := min(own.period, max(minAllowance, own.period/10))
	decision := schedule.Decide(own.schedule(monitor), e.after(cursor), tick, allowance)
	if w := decision.Missed; w.Count > 0 {
		d.missed = append(d.missed, miss(monitor, location, w.First, job.Miss{Reason: job.MissLate, Count: w.Count, Last: w.Last}))
	}
	switch {
	case decision.Run.IsZero():
	case own.newer && !own.paused:
		d.missed = append(d.missed, miss(monitor, location, decision.Run, job.Miss{Reason: job.MissNewer, Count: 1, Last: decision.Run}))
	case own.paused:
		d.missed = append(d.missed, miss(monitor, location, decision.Run, job.Miss{Reason: job.MissPaused, Count: 1, Last: decision.Run}))
	default:
		d.checks = append(d.checks, dueCheck{name: name, form: s.form(id), terms: own, slot: decision.Run})
	}
}

// form is that of a monitor's checks.
func (s *shard) form(id compact.ID) job.CheckTemplate {
	const room = 128 // more than most take
	e := s.entries.Value(id)
	monitor, _, _ := bytes.Cut(s.entries.Name(id), []byte("/"))
	text := s.templates.AppendText(make([]byte, 0, room), monitor, s.entries.Text(id), e.template)
	return job.CheckTemplate{Body: text, SlotOffset: e.slot, NotAfterOffset: e.notAfter}
}

// after is where the monitor's own time begins: a definition that is younger
// than the cursor has no earlier slots.
func (e *entry) after(cursor time.Time) time.Time {
	if since := int64(e.since); !cursor.IsZero() && cursor.Unix() <= since {
		return time.Unix(since, 0).UTC()
	}
	return cursor
}

// encode is the check as it travels.
func (c *dueCheck) encode() []byte { return c.form.Encode(c.slot, c.slot.Add(c.terms.period)) }

// miss is the record of one. What was never ordered of a monitor with one location
// names none.
func miss(monitor, location string, slot job.Slot, m job.Miss) job.Result {
	return job.Result{Monitor: monitor, Location: location, Slot: slot, Miss: &m}
}
