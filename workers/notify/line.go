package notify

import (
	"cmp"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// Line reports one change of one monitor in a mail.
type Line struct {
	Incident *job.Incident
	// Resolution is set for the end of an incident. Unannounced reports that the
	// address was not notified about its beginning before.
	Resolution  *job.Resolution
	Unannounced bool
	// Parent is the monitor that is down and that this one depends on.
	Parent string
	// Dependents are the lines of monitors that depend on this one.
	Dependents []Line

	update job.Update // what reporting it changes in the log
}

// listDependents lists dependents under their parents, and sorts the lines: the
// parent with the most dependents is where to look first.
func (p *planner) listDependents() {
	for _, lines := range [][]Line{p.Lines, p.Still} {
		for i := range lines {
			switch lines[i].tag() { //nolint:exhaustive // nothing depends on the others
			case tagDown:
				lines[i].Dependents = p.dependents[lines[i].Incident.Monitor]
			case tagUp:
				lines[i].Dependents = p.recovered[lines[i].Incident.Monitor]
			}
		}
		slices.SortStableFunc(lines, func(a, b Line) int {
			return cmp.Or(
				cmp.Compare(len(b.Dependents), len(a.Dependents)), cmp.Compare(a.tag().weight(), b.tag().weight()),
				a.Incident.Began.Compare(b.Incident.Began), cmp.Compare(a.Incident.Monitor, b.Incident.Monitor),
			)
		})
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// CeilSecond rounds a time up to a whole second: the server's timers have no
// fractions, and a timer that fires early finds nothing due.
func CeilSecond(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Second - time.Nanosecond).Truncate(time.Second).UTC()
}
