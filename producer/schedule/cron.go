package schedule

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// cron is a parsed expression: a bit for each allowed value, by field.
type cron struct {
	zone *time.Location

	minutes, hours, days, months, weekdays uint64
	// anyDay and anyWeekday report whether the field begins with "*", which leaves
	// the choice to the other field.
	anyDay, anyWeekday bool
	// anyHour reports whether the hour is "*" or "*/n"; slots then follow elapsed
	// time.
	anyHour bool
}

// field describes a field in an expression.
type field struct {
	name     string
	low, top int
	names    []string // of the values from low on
}

func fields() [5]field {
	return [5]field{
		{name: "minute", low: 0, top: 59},
		{name: "hour", low: 0, top: 23},
		{name: "day of month", low: 1, top: 31},
		{name: "month", low: 1, top: 12, names: strings.Fields("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")},
		{name: "day of week", low: 0, top: 7, names: strings.Fields("SUN MON TUE WED THU FRI SAT")},
	}
}

// macro returns the five fields for a name such as @daily.
func macro(expression string) string {
	switch expression {
	case "@hourly":
		return "0 * * * *"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@monthly":
		return "0 0 1 * *"
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	default:
		return expression
	}
}

func parseCron(expression, zone string) (*cron, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("read time zone: %w", Problem{Found: strconv.Quote(zone), Expected: "an IANA name such as Europe/Berlin"})
	}
	parts := strings.Fields(macro(strings.TrimSpace(expression)))
	if len(parts) != len(fields()) {
		return nil, fmt.Errorf("read cron expression %q: %w", expression,
			Problem{Found: fmt.Sprintf("%d fields", len(parts)), Expected: "5: minute hour day month weekday"})
	}
	c := &cron{zone: location}
	sets := [5]*uint64{&c.minutes, &c.hours, &c.days, &c.months, &c.weekdays}
	for i, f := range fields() {
		if *sets[i], err = f.parse(parts[i]); err != nil {
			return nil, fmt.Errorf("read cron expression %q: %w", expression, err)
		}
	}
	if c.weekdays&(1<<7) != 0 { // 7 is Sunday too
		c.weekdays |= 1
	}
	c.anyHour = strings.HasPrefix(parts[1], "*")
	c.anyDay, c.anyWeekday = strings.HasPrefix(parts[2], "*"), strings.HasPrefix(parts[4], "*")
	return c, nil
}

// parse reads a field: a list with values, ranges and steps.
func (f field) parse(text string) (uint64, error) {
	var set uint64
	for item := range strings.SplitSeq(text, ",") {
		low, high, step, err := f.item(item)
		if err != nil {
			return 0, err
		}
		for value := low; value <= high; value += step {
			set |= 1 << value
		}
	}
	return set, nil
}

// item reads one list item: "*", "5", "1-5", each with an optional step "/2".
func (f field) item(text string) (low, high, step int, err error) {
	span, steps, stepped := strings.Cut(text, "/")
	step = 1
	if stepped {
		if step, err = strconv.Atoi(steps); err != nil || step < 1 || step > f.top {
			return 0, 0, 0, f.problem("step "+strconv.Quote(steps), fmt.Sprintf("a number from 1 to %d", f.top))
		}
	}
	first, last, ranged := strings.Cut(span, "-")
	switch {
	case span == "*":
		return f.low, f.top, step, nil
	case ranged:
		low, err = f.value(first)
		if err == nil {
			high, err = f.value(last)
		}
		if err == nil && low > high {
			err = f.problem("range "+strconv.Quote(span), "its lower end first")
		}
		return low, high, step, err
	default:
		low, err = f.value(span)
		high = low
		if stepped {
			high = f.top // "5/10" is every tenth from 5 on
		}
		return low, high, step, err
	}
}

func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.low + i, nil
		}
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < f.low || value > f.top {
		return 0, f.problem(strconv.Quote(text), fmt.Sprintf("%d to %d", f.low, f.top))
	}
	return value, nil
}

func (f field) problem(found, expected string) error {
	return Problem{Field: f.name, Found: found, Expected: expected}
}

// searchYears limits the search for the next slot: around a century without one, 29
// February may be eight years away.
const searchYears = 9

// next returns the first slot after t, or zero if there is none.
func (c *cron) next(t time.Time) time.Time {
	if c.anyHour {
		return c.nextReal(t)
	}
	day := t.In(c.zone)
	y, m, d := day.Date()
	for n := range searchYears * 366 {
		date := time.Date(y, m, d+n, 12, 0, 0, 0, time.UTC) // noon UTC: only the date counts
		if !c.onDay(date) {
			continue
		}
		if slot := c.onDate(date, t); !slot.IsZero() {
			return slot
		}
	}
	return time.Time{}
}

// onDay reports whether a date has slots. If both days are restricted, either is
// enough, as in Vixie cron.
func (c *cron) onDay(date time.Time) bool {
	if c.months&(1<<uint(date.Month())) == 0 {
		return false
	}
	day := c.days&(1<<uint(date.Day())) != 0
	weekday := c.weekdays&(1<<uint(date.Weekday())) != 0
	if c.anyDay || c.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// onDate returns the first slot on a date after t, or zero. Instants increase with
// local time, except in an hour that occurs twice, whose first occurrence counts.
func (c *cron) onDate(date, t time.Time) time.Time {
	y, m, d := date.Date()
	for hours := c.hours; hours != 0; hours &= hours - 1 {
		for minutes := c.minutes; minutes != 0; minutes &= minutes - 1 {
			slot := c.instant(time.Date(y, m, d, bits.TrailingZeros64(hours), bits.TrailingZeros64(minutes), 0, 0, time.UTC))
			if slot.After(t) {
				return slot.UTC()
			}
		}
	}
	return time.Time{}
}

// instant returns when a local time (given in UTC) first occurs in the zone. For a
// skipped time it is the first instant after the gap.
func (c *cron) instant(wall time.Time) time.Time {
	// Around a clock change, either the offset a day before or the one a day after
	// is right. The larger offset gives the earlier instant.
	_, before := wall.Add(-24 * time.Hour).In(c.zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(c.zone).Zone()
	for _, offset := range []int{max(before, after), min(before, after)} {
		instant := wall.Add(-time.Duration(offset) * time.Second).In(c.zone)
		if sameWall(instant, wall) {
			return instant
		}
	}
	// Skipped: with the later offset the time falls just before the change, so the
	// change is where that instant's zone ends.
	_, change := wall.Add(-time.Duration(after) * time.Second).In(c.zone).ZoneBounds()
	return change
}

func sameWall(instant, wall time.Time) bool {
	y, m, d := instant.Date()
	wy, wm, wd := wall.Date()
	return y == wy && m == wm && d == wd && instant.Hour() == wall.Hour() && instant.Minute() == wall.Minute()
}

// nextReal advances in elapsed time and compares the local time at each candidate,
// so that an hour that occurs twice has its slots twice.
func (c *cron) nextReal(t time.Time) time.Time {
	limit := t.AddDate(searchYears, 0, 0)
	for at := t.Truncate(time.Minute).Add(time.Minute); at.Before(limit); {
		wall := at.In(c.zone)
		switch {
		case !c.onDay(wall):
			y, m, d := wall.Date()
			// The next calendar midnight, and at least a minute ahead, in case the
			// zone changes at midnight.
			at = later(time.Date(y, m, d+1, 0, 0, 0, 0, c.zone), at.Add(time.Minute))
		case c.hours&(1<<uint(wall.Hour())) == 0 || c.minutes>>uint(wall.Minute()) == 0:
			at = at.Add(time.Duration(60-wall.Minute()) * time.Minute)
		case c.minutes&(1<<uint(wall.Minute())) == 0:
			at = at.Add(time.Minute)
		default:
			return at.UTC()
		}
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
