package monitor

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// maintenanceReader reads the section maintenance.
type maintenanceReader struct{ *reader }

// readMaintenance reads the windows in which no mails are sent.
func (r maintenanceReader) readMaintenance(root mapping) []job.Maintenance {
	var windows []job.Maintenance
	lines := map[string]int{}
	for _, m := range r.sectionItems(root, "maintenance", "a list of maintenance windows", "a window such as {name: backup, weekly: [sun], from: '01:00', until: '05:00'}") {
		window := r.readWindow(m)
		if line, taken := lines[window.Name]; taken && window.Name != "" {
			r.report(m.value, quote(window.Name)+" again", fmt.Sprintf("a name of its own, unlike the one in line %d", line), "")
		}
		lines[window.Name] = m.line
		windows = append(windows, window)
	}
	return windows
}

// readWindow reads a window: a single one if from is a date, and otherwise a daily,
// weekly or monthly one, or one that begins when a cron expression matches.
func (r maintenanceReader) readWindow(m mapping) job.Maintenance {
	w := job.Maintenance{}
	if v, ok := r.required(m, "name", aName); ok {
		if text, ok := r.readText(v, aName); ok && r.checkName(v, text) {
			w.Name = text
		}
	}
	w.Match = recipientReader(r).readMatch(m)
	zone, name := r.timeZone(m)
	w.TimeZone = name
	repeats := r.exclusive(m, "weekly", "monthly", "cron")
	from, hasFrom := m.get("from")
	switch {
	case repeats == "cron":
		if hasFrom {
			r.report(from, "from next to cron", "cron alone to say when it begins", "")
		}
		at, _ := m.get("cron")
		w.Cron = r.windowCron(at)
		r.windowEnd(m, &w)
	case !hasFrom:
		r.report(from, "no from", aMoment, "")
	case repeats == "" && isDate(from):
		r.readOnce(m, from, &w, zone)
	default:
		if at, ok := r.clock(from); ok {
			w.Cron = fmt.Sprintf("%d %d %s", at.Minute(), at.Hour(), r.days(m, repeats))
		}
		r.windowEnd(m, &w)
	}
	return w
}

const (
	aMoment = "a time such as 23:00, or a date such as 2026-12-01 23:00"
	aClock  = "a time such as 07:00"
	aDate   = "a date such as 2026-12-01 23:00"
	// dateLayout has no zone: time_zone is a separate key.
	dateLayout  = "2006-01-02 15:04"
	clockLayout = "15:04"
	// maxFor limits how long a recurring window may last.
	maxFor = 7 * 24 * time.Hour
)

// exclusive returns which key is set, and reports a second one.
func (r maintenanceReader) exclusive(m mapping, keys ...string) string {
	found := ""
	for _, key := range keys {
		v, ok := m.get(key)
		switch {
		case !ok:
		case found != "":
			r.report(v, found+" and "+key, "one of them", "")
		default:
			found = key
		}
	}
	return found
}

// timeZone reads a time zone and its name, which is empty for the default, UTC.
func (r maintenanceReader) timeZone(m mapping) (*time.Location, string) {
	const expected = "an IANA name such as Europe/Berlin"
	v, set := m.get("time_zone")
	if !set {
		return time.UTC, ""
	}
	name, ok := r.nonEmpty(v, expected)
	zone, err := time.LoadLocation(name)
	if ok && (err != nil || name == "Local") {
		ok = r.reject(v, expected)
	}
	if !ok {
		return time.UTC, ""
	}
	return zone, name
}

func isDate(v value) bool {
	text, _ := v.literal()
	return strings.Contains(text, "-")
}

// readOnce reads the dates for a single window.
func (r maintenanceReader) readOnce(m mapping, from value, w *job.Maintenance, zone *time.Location) {
	w.TimeZone = "" // the dates are in UTC from now on
	starts, ok := r.date(from, zone)
	switch at, key := r.end(m, aDate); key {
	case "until":
		ends, good := r.date(at, zone)
		if good && ok && !ends.After(starts) {
			r.report(at, at.describe(), "a date after from", "")
		}
		w.Starts, w.Ends = starts, ends
	case "for":
		d, _ := r.duration(at)
		w.Starts, w.Ends = starts, starts.Add(d)
	}
}

// end returns how a window ends: until, for, or neither.
func (r maintenanceReader) end(m mapping, expected string) (value, string) {
	key := r.exclusive(m, "until", "for")
	if key == "" {
		until, _ := m.get("until")
		r.report(until, "no until and no for", expected, "")
	}
	v, _ := m.get(key)
	return v, key
}

func (r maintenanceReader) date(v value, zone *time.Location) (time.Time, bool) {
	return parseText(r.reader, v, aDate, func(text string) (time.Time, error) {
		at, err := time.ParseInLocation(dateLayout, strings.Replace(text, "T", " ", 1), zone)
		return at.UTC(), err
	})
}

func (r maintenanceReader) clock(v value) (time.Time, bool) {
	return parseText(r.reader, v, aClock, func(text string) (time.Time, error) { return time.Parse(clockLayout, text) })
}

// windowCron reads a cron expression.
func (r maintenanceReader) windowCron(v value) string {
	expression, _ := parseText(r.reader, v, "a cron expression such as '0 23 * * 6'", func(text string) (string, error) {
		_, err := schedule.Cron(text, "")
		return text, err
	})
	return expression
}

// windowEnd reads how a recurring window ends.
func (r maintenanceReader) windowEnd(m mapping, w *job.Maintenance) {
	switch v, key := r.end(m, "until, "+aClock+", or for, a duration"); key {
	case "until":
		if at, ok := r.clock(v); ok {
			w.Until = at.Format(clockLayout)
		}
	case "for":
		d, ok := r.duration(v)
		if ok && d > maxFor {
			r.report(v, v.written(), "at most "+formatDuration(maxFor), "")
		}
		w.For = job.Duration(d)
	}
}

// days returns the last three cron fields, for the days on which a window begins.
func (r maintenanceReader) days(m mapping, repeats string) string {
	v, ok := m.get(repeats)
	if !ok {
		return "* * *"
	}
	weekly := repeats == "weekly"
	expected := "a day of the month from 1 to 31, or a list of them"
	if weekly {
		expected = "a day such as sun, or a list of them"
	}
	items, ok := r.list(v, expected, true)
	if !ok || len(items) == 0 {
		r.reject(v, expected)
		return "* * *"
	}
	var days []string
	for _, item := range items {
		if weekly {
			days = append(days, r.weekday(item))
		} else {
			day, _ := r.integer(item, 1, 31)
			days = append(days, strconv.Itoa(max(1, day)))
		}
	}
	if weekly {
		return "* * " + strings.Join(days, ",")
	}
	return strings.Join(days, ",") + " * *"
}

func (r maintenanceReader) weekday(v value) string {
	return cmp.Or(r.word(v, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, strings.ToLower), "*")
}
