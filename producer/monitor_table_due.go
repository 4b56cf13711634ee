package producer

import (
	"bytes"
	"time"

	"vedette/pipeline/clock"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// dueSlots are the checks to publish in a tick, and the slots that are too
// late. They lie after cursor, up to and including tick.
type dueSlots struct {
	cursor, tick time.Time

	checks []dueCheck
	missed []job.Result
}

// dueCheck is the check for one slot.
type dueCheck struct {
	name     string // the entry's name
	template job.CheckTemplate
	profile  *profile
	slot     time.Time
}

func (d *dueSlots) empty() bool { return len(d.checks) == 0 && len(d.missed) == 0 }

// minLateness is how late a slot may always be checked, up to its interval, so
// that a restart costs no check.
const minLateness = 10 * time.Second

// due returns a shard's slots after cursor, up to and including tick. The
// cursor is zero for a shard that was never handled.
func (t *monitorTable) due(shard int, cursor, tick time.Time) dueSlots {
	t.mu.RLock()
	defer t.mu.RUnlock()
	d := dueSlots{cursor: cursor, tick: tick}
	s := &t.shards[shard]
	for id, own := range s.crons {
		d.add(s, id, own)
	}
	for interval, r := range s.wheels {
		r.each(interval, cursor, tick, func(id compact.ID) {
			d.add(s, id, &t.profiles[s.entries.Value(id).profile])
		})
	}
	return d
}

// each calls do for the monitors with a slot after cursor, up to and including
// tick. If the cursor is zero, only slots in the tick's second count.
func (r wheel) each(interval time.Duration, cursor, tick time.Time, do func(compact.ID)) {
	round, last := int64(interval/time.Second), tick.Unix()
	first := last
	if !cursor.IsZero() {
		first = max(cursor.Unix()+1, last-round+1) // each monitor once, after a long pause
	}
	for second := first; second <= last; second++ {
		for _, id := range r[second%round] {
			do(id)
		}
	}
}

// add adds the slots of one monitor.
func (d *dueSlots) add(s *shard, id compact.ID, own *profile) {
	e, name := s.entries.Value(id), string(s.entries.Name(id))
	monitor, location := job.CutLocationName(name)
	allowance := min(own.period, max(minLateness, own.period/10))
	decision := schedule.Decide(own.schedule(monitor), e.after(d.cursor, d.tick), d.tick, allowance)
	if w := decision.Missed; w.Count > 0 {
		d.missed = append(d.missed, miss(monitor, location, w.First, job.Miss{Reason: job.MissLate, Count: w.Count, Last: w.Last}))
	}
	switch {
	case decision.Run.IsZero():
	case own.paused:
		d.missed = append(d.missed, miss(monitor, location, decision.Run, job.Miss{Reason: job.MissPaused, Count: 1, Last: decision.Run}))
	case own.newer:
		d.missed = append(d.missed, miss(monitor, location, decision.Run, job.Miss{Reason: job.MissNewer, Count: 1, Last: decision.Run}))
	default:
		d.checks = append(d.checks, dueCheck{name: name, template: s.checkTemplate(id), profile: own, slot: decision.Run})
	}
}

// checkTemplate returns the template for a monitor's checks.
func (s *shard) checkTemplate(id compact.ID) job.CheckTemplate {
	const room = 128 // enough for most
	e := s.entries.Value(id)
	monitor, _, _ := bytes.Cut(s.entries.Name(id), []byte("/"))
	text := s.templates.AppendText(make([]byte, 0, room), monitor, s.entries.Text(id), e.template)
	return job.CheckTemplate{Body: text, SlotOffset: e.slot, NotAfterOffset: e.notAfter}
}

// after returns the time after which the entry has slots: the cursor, or when
// its definition was written. One that was written long after the tick is from
// before the clock was set back.
func (e *entry) after(cursor, tick time.Time) time.Time {
	since := int64(e.since)
	if since > tick.Add(clock.Tolerance).Unix() {
		return cursor
	}
	if !cursor.IsZero() && cursor.Unix() <= since {
		return time.Unix(since, 0).UTC()
	}
	return cursor
}

// encode returns the check as a message.
func (c *dueCheck) encode() []byte { return c.template.Encode(c.slot, c.slot.Add(c.profile.period)) }
