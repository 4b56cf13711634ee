package notify

import (
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// MaxWindow is the longest duration for a recurring maintenance window.
const MaxWindow = 7 * 24 * time.Hour

// Window is a parsed maintenance window. Its start and a local end time follow DST
// changes by the rules for cron expressions: see [schedule.Cron].
type Window struct {
	job.Maintenance

	begins, ends schedule.Schedule
}

// NewWindow parses a maintenance window. The error names the field that is
// wrong.
func NewWindow(m job.Maintenance) (Window, error) {
	w := Window{Maintenance: m}
	if m.Cron == "" {
		if !m.Ends.After(m.Starts) {
			return w, fmt.Errorf("read maintenance %s: found an end before its start, expected one after it", m.Name)
		}
		return w, nil
	}
	var err error
	if w.begins, err = schedule.Cron(m.Cron, m.TimeZone); err != nil {
		return w, fmt.Errorf("read maintenance %s: %w", m.Name, err)
	}
	if m.Until == "" {
		if m.For <= 0 || m.For.Std() > MaxWindow {
			return w, fmt.Errorf("read maintenance %s: for: found %s, expected up to %s", m.Name, m.For, MaxWindow)
		}
		return w, nil
	}
	at, err := time.Parse("15:04", m.Until)
	if err != nil {
		return w, fmt.Errorf("read maintenance %s: until: found %q, expected a time such as 07:00", m.Name, m.Until)
	}
	if w.ends, err = schedule.Cron(fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour()), m.TimeZone); err != nil {
		return w, fmt.Errorf("read maintenance %s: %w", m.Name, err)
	}
	return w, nil
}

// maxLength is how long the window may last: with a time of day as its end, the
// longest day in a year with summer time.
func (w *Window) maxLength() time.Duration {
	if w.Until != "" {
		return 25 * time.Hour
	}
	return w.For.Std()
}

// end is when the window ends that begins at a time.
func (w *Window) end(begin time.Time) time.Time {
	if w.Until != "" {
		return w.ends.Next(begin)
	}
	return begin.Add(w.For.Std())
}

// Active reports whether the window is open at a time, and until when. The end
// itself is outside.
func (w *Window) Active(now time.Time) (until time.Time, open bool) {
	if w.Cron == "" {
		return w.Ends, !now.Before(w.Starts) && now.Before(w.Ends)
	}
	for begin := w.begins.Next(now.Add(-w.maxLength() - time.Second)); !begin.IsZero() && !begin.After(now); begin = w.begins.Next(begin) {
		if end := w.end(begin); end.After(now) && end.After(until) {
			until, open = end, true
		}
	}
	return until, open
}
