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
	// Lasting reports that the incident began before the address became a
	// recipient, or before the monitor was paused. Paused reports that the monitor
	// is paused during the incident.
	Lasting, Paused bool
	// Now is a later failure with another cause; nil for none.
	Now *job.ProbeResult
	// Parent is the monitor that is down and that this one depends on.
	Parent string
	// Dependents are the lines of monitors that depend on this one.
	Dependents []Line

	update   job.Update // what reporting it changes in the log
	received time.Time  // when the change was received
	reported time.Time  // when a mail last said that it lasts
	people   Mute       // what people muted
}

// listRecovered lists what was listed under a parent and is up again under the
// parent's end, or reports it on its own. A parent about which the mail says more
// than that has no room for it.
func (p *planner) listRecovered() {
	up := monitorsOf(p.Lines, func(l *Line) bool { return l.tag() == tagUp })
	more := monitorsOf(p.Lines, func(l *Line) bool { return l.tag() != tagUp })
	for _, line := range p.listed {
		if !up[line.Parent] || more[line.Parent] {
			p.report(line, line.received, job.Update{Resolved: true})
			continue
		}
		line.update = updateOf(line.Incident, job.Update{Resolved: true})
		p.recovered[line.Parent] = append(p.recovered[line.Parent], line)
	}
}

// monitorsOf returns the monitors of the lines that match.
func monitorsOf(lines []Line, match func(*Line) bool) map[string]bool {
	named := map[string]bool{}
	for i := range lines {
		if match(&lines[i]) {
			named[lines[i].Incident.Monitor] = true
		}
	}
	return named
}

// listDependents lists dependents under their parents, and sorts the lines: the
// parent with the most dependents is where to look first.
func (p *planner) listDependents() {
	taken := map[string]bool{}
	take := func(byParent map[string][]Line, l *Line) []Line { // once: a mail may have several lines about the parent
		key := string(l.tag()) + " " + l.Incident.Monitor
		if taken[key] {
			return nil
		}
		taken[key] = true
		return byParent[l.Incident.Monitor]
	}
	for _, lines := range [][]Line{p.Lines, p.Still} {
		for i := range lines {
			switch lines[i].tag() { //nolint:exhaustive // nothing depends on the others
			case tagDown, tagStillDown:
				lines[i].Dependents = take(p.dependents, &lines[i])
			case tagUp:
				lines[i].Dependents = take(p.recovered, &lines[i])
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
