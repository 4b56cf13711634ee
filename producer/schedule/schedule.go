// Package schedule computes when a monitor is due, on an absolute time grid and
// without a clock. A definition has the same slots on every machine and after every
// restart, so nothing drifts, and the only state is the last handled second.
package schedule

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Schedule has a monitor's slots: instants in UTC, in whole seconds. Create it with
// [Every] or [Cron]; the zero value has no slots.
type Schedule struct {
	interval int64 // seconds; zero for cron
	phase    int64
	cron     *cron
}

// MaxInterval is the longest interval for [Every].
const MaxInterval = 366 * 24 * time.Hour

// Problem is a mistake in an interval, a cron expression or a time zone.
type Problem struct { //nolint:errname // the same word in all packages
	// Field is the field in the cron expression, such as hour; empty for the whole.
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

// Every returns the slots at k × interval + phase since the Unix epoch. The phase is
// a hash of the name, so that many monitors spread over the interval. The interval
// is in whole seconds, from one second to [MaxInterval]. The error wraps a
// [Problem].
func Every(interval time.Duration, name string) (Schedule, error) {
	if interval < time.Second || interval%time.Second != 0 || interval > MaxInterval {
		return Schedule{}, fmt.Errorf("read interval: %w", Problem{Found: interval.String(), Expected: fmt.Sprintf("whole seconds from 1s to %s", MaxInterval)})
	}
	seconds := int64(interval / time.Second)
	return Schedule{interval: seconds, phase: phase(name, seconds)}, nil
}

// phase spreads names over an interval. The low bits of FNV-1a are uneven for names
// with similar endings, so the finalizer of MurmurHash3 (Appleby, public domain)
// mixes them.
func phase(name string, seconds int64) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name)) // never fails, says the hash.Hash contract
	h := hash.Sum64()
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return int64(h % uint64(seconds)) //nolint:gosec // seconds is at least 1, and the rest below it
}

// Cron returns the slots for a five-field cron expression (minute, hour, day of
// month, month, day of week) in an IANA time zone, UTC if empty. The error wraps a
// [Problem]; an expression without slots is an error too.
//
// Fields accept numbers, ranges, lists, steps and English names (JAN, MON) for
// months and days; Sunday is 0 or 7. If both days are restricted, either is enough,
// as in Vixie cron. @hourly, @daily, @weekly, @monthly and @yearly are accepted.
//
// When clocks change, a slot at a skipped local time occurs at the first instant
// after the gap, and a slot at a repeated local time only once, the first time. If
// the hour is "*" or "*/n", slots follow elapsed time instead, so that "every ten
// minutes" means that.
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

// Next returns the first slot after t, or zero if there is none.
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

// slotAt returns the newest slot at or before a second.
func (s Schedule) slotAt(second int64) int64 {
	past := (second - s.phase) % s.interval
	if past < 0 {
		past += s.interval
	}
	return second - past
}

// Window is a run of consecutive slots; Count is zero if there is none.
type Window struct {
	First, Last time.Time
	Count       int
}

// MaxCronWindow limits how many cron slots [Schedule.Window] counts: one a minute
// for ten weeks.
const MaxCronWindow = 100_000

// Window returns the slots after one time, up to and including another. For an
// interval the cost does not depend on the distance. For cron it counts at most the
// first [MaxCronWindow] slots.
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
