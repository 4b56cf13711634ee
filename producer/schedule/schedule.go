// Package schedule says when a monitor is due: pure arithmetic on an absolute
// grid, without a clock. The same definition has the same slots on every
// machine and after every restart, so nothing drifts and nothing has to be
// remembered but up to which second slots were handled.
package schedule

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Schedule is the slots of one monitor: points in time, in UTC and whole
// seconds. Make it with [Every] or [Cron]; the zero value has no slots.
type Schedule struct {
	interval int64 // seconds; zero for cron
	phase    int64
	cron     *cron
}

// MaxInterval is the longest interval of [Every].
const MaxInterval = 366 * 24 * time.Hour

// Problem is a mistake in an interval, a cron expression or a time zone.
type Problem struct {
	// Field is the field of the cron expression, such as hour; empty for the whole.
	Field           string
	Found, Expected string
}

// Error returns "found …, expected …", after the field.
func (p Problem) Error() string {
	text := "found " + p.Found + ", expected " + p.Expected
	if p.Field != "" {
		return p.Field + ": " + text
	}
	return text
}

// Every returns the slots at k × interval + phase since the Unix epoch. The
// phase is hashed from the name, so that the checks of many monitors spread
// over the interval instead of beginning together. The interval is whole
// seconds, from one second to [MaxInterval]; the error shows what was found.
func Every(interval time.Duration, name string) (Schedule, error) {
	if interval < time.Second || interval%time.Second != 0 || interval > MaxInterval {
		return Schedule{}, fmt.Errorf("read interval: %w", Problem{Found: interval.String(), Expected: fmt.Sprintf("whole seconds from 1s to %s", MaxInterval)})
	}
	seconds := int64(interval / time.Second)
	return Schedule{interval: seconds, phase: phase(name, seconds)}, nil
}

// phase spreads names over an interval. FNV-1a alone is uneven in its low bits
// for names that differ in their last letters, so its bits are mixed as the
// finalizer of MurmurHash3 does (Appleby, public domain).
func phase(name string, seconds int64) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // never fails, says the hash.Hash contract
	h := hash.Sum64()
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int64(h % uint64(seconds)) //nolint:gosec // seconds is at least 1, and the rest below it
}

// Cron returns the slots of a five-field cron expression (minute, hour, day of
// month, month, day of week) in an IANA time zone; an empty zone is UTC. The
// error names the field, what was found and what was expected; an expression
// that has no slot in five years is one too.
//
// Fields take numbers, ranges, lists, steps and the English names of months
// and days in three letters; Sunday is 0 or 7. When both days are restricted,
// either is enough, as in Vixie cron. @hourly, @daily, @weekly, @monthly and
// @yearly are known.
//
// Where clocks change: a slot at a wall time that is skipped comes at the
// first instant after the gap, and one at a wall time that comes twice only at
// its first coming. Slots of an expression whose hour is "*" or "*/n" follow
// real time instead, so that "every ten minutes" stays just that.
func Cron(expression, zone string) (Schedule, error) {
	c, err := parseCron(expression, zone)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{cron: c}
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() { // a leap year is within reach
		return Schedule{}, fmt.Errorf("read cron expression %q: %w", expression, Problem{Found: "days that never come", Expected: "at least one"})
	}
	return s, nil
}

// Next returns the first slot after t, or zero when there is none.
func (s Schedule) Next(t time.Time) time.Time {
	switch {
	case s.cron != nil:
		return s.cron.next(t)
	case s.interval > 0:
		return time.Unix(s.slotAt(t.Unix())+s.interval, 0).UTC()
	default:
		return time.Time{}
	}
}

// slotAt is the newest slot at or before a second.
func (s Schedule) slotAt(second int64) int64 {
	past := (second - s.phase) % s.interval
	if past < 0 {
		past += s.interval
	}
	return second - past
}

// String describes the schedule for people.
func (s Schedule) String() string {
	switch {
	case s.cron != nil:
		return fmt.Sprintf("cron %q in %s", s.cron.expression, s.cron.zone)
	case s.interval > 0:
		return fmt.Sprintf("every %s, %s past", time.Duration(s.interval)*time.Second, time.Duration(s.phase)*time.Second)
	default:
		return "never"
	}
}

// Window is a run of consecutive slots. Its Count is zero when there is none.
type Window struct {
	First, Last time.Time
	Count       int
}

// MaxCronWindow bounds the slots that [Schedule.Window] counts one by one for
// a cron schedule: ten weeks of a slot each minute.
const MaxCronWindow = 100_000

// Window returns the slots after one time, up to and including another. For an
// interval it takes no longer for a year than for a second. For cron, at most
// the first [MaxCronWindow] slots are counted.
func (s Schedule) Window(after, upTo time.Time) Window {
	switch {
	case s.cron != nil:
		return s.cronWindow(after, upTo)
	case s.interval > 0:
		return s.intervalWindow(after, upTo)
	default:
		return Window{}
	}
}

func (s Schedule) intervalWindow(after, upTo time.Time) Window {
	first, last := s.slotAt(after.Unix())+s.interval, s.slotAt(upTo.Unix())
	if last < first {
		return Window{}
	}
	return Window{
		First: time.Unix(first, 0).UTC(), Last: time.Unix(last, 0).UTC(), Count: int((last-first)/s.interval) + 1,
	}
}

func (s Schedule) cronWindow(after, upTo time.Time) Window {
	var w Window
	for slot := s.cron.next(after); !slot.IsZero() && !slot.After(upTo) && w.Count < MaxCronWindow; slot = s.cron.next(slot) {
		if w.Count == 0 {
			w.First = slot
		}
		w.Last, w.Count = slot, w.Count+1
	}
	return w
}
