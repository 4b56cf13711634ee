package notify

import (
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// brief tells a line in a few words, without its monitor: what a subject says,
// and a list. now is when the mail is made.
func brief(l *Line, now time.Time) string {
	incident := l.Incident
	switch t := l.tag(); t {
	case tagDown, tagDegraded:
		return among(causeOf(&incident.ProbeResult), incident)
	case tagUp:
		return "was down " + l.lasted()
	case tagRemoved:
		return "monitor removed, " + l.was()
	case tagOK:
		return "was degraded " + l.lasted()
	case tagFlapping:
		return "goes up and down; now " + healthNow(&incident.ProbeResult)
	case tagStable:
		text := "no longer flapping, after " + l.lasted()
		if l.Resolution != nil && l.Resolution.ProbeResult != nil {
			text = healthNow(l.Resolution.ProbeResult) + ", " + text
		}
		return text
	case tagNoData:
		text := reasonOf(incident.Reason, incident.Detail)
		if incident.OfOneLocation() {
			text += " (location " + incident.Location + ")"
		}
		return text
	case tagDataAgain:
		return "had no data" + from(incident) + " for " + l.lasted()
	case tagCertificate:
		return expiry(incident.ProbeResult.CertificateExpires, now)
	default:
		return string(t)
	}
}

// headline is the sentence with which the mail of one line begins.
func headline(l *Line, now time.Time) string {
	name := l.Incident.Monitor
	switch t := l.tag(); t {
	case tagDown:
		text := name + " is down: " + brief(l, now) + "."
		if l.Parent != "" {
			text += " It depends on " + l.Parent + ", which is down."
		}
		return text
	case tagDegraded:
		return name + " is degraded: " + brief(l, now) + "."
	case tagUp:
		if l.Unannounced {
			return name + " was down for " + l.lasted() + ", and is up again."
		}
		return name + " is up again, after " + l.lasted() + "."
	case tagRemoved:
		return "The monitor " + name + " was removed. " + strings.ToUpper(l.was()[:1]) + l.was()[1:] + ". There will be no more mails about it."
	case tagOK:
		return name + " is no longer degraded, after " + l.lasted() + "."
	case tagFlapping:
		return name + " is flapping: it goes up and down. Vedette sends no mail about single changes until it is stable."
	case tagStable:
		return name + " is stable: " + brief(l, now) + "."
	case tagNoData:
		text := "Vedette has no data about " + name + from(l.Incident) + ": " + reasonOf(l.Incident.Reason, l.Incident.Detail) + "."
		if l.Incident.OfOneLocation() {
			return text + " This location has no vote until it has data again."
		}
		return text + " It is not known whether " + name + " is up."
	case tagDataAgain:
		return "Vedette has data about " + name + from(l.Incident) + " again. It had none for " + l.lasted() + " (" + reasonOf(l.Incident.Reason, l.Incident.Detail) + ")."
	case tagCertificate:
		return "The certificate of " + name + " " + brief(l, now) + "."
	default:
		return name + " changed: " + string(t) + "."
	}
}

// was is what the incident was, and for how long.
func (l *Line) was() string {
	if l.Incident.Condition == job.ConditionNoData {
		return "it had no data" + from(l.Incident) + " for " + l.lasted()
	}
	return "it was " + string(l.Incident.Condition) + " for " + l.lasted()
}

// lasted is how long the incident lasted.
func (l *Line) lasted() string {
	if l.Resolution == nil {
		return ""
	}
	return HumanDuration(l.Resolution.At.Sub(l.Incident.Began))
}

func causeOf(outcome *job.ProbeResult) string {
	if cause := plain(outcome.Cause); cause != "" {
		return cause
	}
	return string(outcome.Class)
}

func healthNow(outcome *job.ProbeResult) string {
	if outcome.Health.OK() {
		return "up"
	}
	return "down: " + causeOf(outcome)
}

// reasonOf puts the reason for a miss into words.
func reasonOf(reason job.MissReason, detail string) string {
	text := missText(reason)
	if detail = plain(detail); detail != "" {
		text += " (" + detail + ")"
	}
	return text
}

func missText(reason job.MissReason) string {
	switch reason {
	case job.MissLate:
		return "no process scheduled its checks"
	case job.MissOverlap:
		return "its check does not end"
	case job.MissExpired:
		return "its checks wait too long for a worker"
	case job.MissShed:
		return "workers have no room for its checks"
	case job.MissRefused:
		return "the pipeline refuses its checks"
	case job.MissNoWorker:
		return "no worker takes its checks"
	case job.MissBrokerDown:
		return "the NATS server was away"
	case job.MissNewer:
		return "its definition is for a newer version than the scheduler's"
	case job.MissPaused:
		return "it is paused"
	case job.MissCheckFailed:
		return "its checks fail in the worker"
	default:
		return plain(string(reason))
	}
}

func expiry(at, now time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "ends in " + HumanDuration(left)
	}
	return "has ended"
}

// subjectOf is the subject of a mail. Lines are the main ones, one a monitor.
func subjectOf(lines []Line, reminder bool, now time.Time) string {
	first := &lines[0]
	all, kinds := count(lines)
	if reminder {
		return subjectOfReminder(lines, now)
	}
	if len(kinds) > 1 {
		parts := make([]string, len(kinds))
		for i, k := range kinds {
			parts[i] = fmt.Sprintf("%s ×%d", k.tag, k.n)
		}
		return subject(strings.Join(parts, ", "), names(lines, all), "")
	}
	tag := string(first.tag())
	if all > 1 {
		tag += fmt.Sprintf(" ×%d", all)
	}
	behind := len(first.Dependents)
	switch {
	case len(lines) == 1 && behind > 0:
		return subject(tag, first.Incident.Monitor, fmt.Sprintf("%s, and %d behind it", brief(first, now), behind))
	case len(lines) == 1 && first.Parent != "" && first.tag() == tagDown:
		return subject(tag, first.Incident.Monitor, brief(first, now)+", behind "+first.Parent)
	case len(lines) == 1:
		return subject(tag, first.Incident.Monitor, brief(first, now))
	case first.Parent != "" && allUnder(lines, first.Parent):
		return subject(tag, "behind "+first.Parent, "")
	default:
		return subject(tag, names(lines, all), "")
	}
}

func subjectOfReminder(lines []Line, now time.Time) string {
	first := &lines[0]
	tag := "STILL " + string(first.tag())
	if len(lines) == 1 {
		return subject(tag, first.Incident.Monitor, "for "+HumanDuration(now.Sub(first.Incident.Began)))
	}
	return subject(fmt.Sprintf("%s ×%d", tag, len(lines)), names(lines, len(lines)), "")
}

type kindCount struct {
	tag tag
	n   int
}

// count counts what lines tell, with what is behind them, in their order.
func count(lines []Line) (all int, kinds []kindCount) {
	for i := range lines {
		n := 1 + len(lines[i].Dependents)
		all += n
		known := false
		for j := range kinds {
			if kinds[j].tag == lines[i].tag() {
				kinds[j].n += n
				known = true
			}
		}
		if !known {
			kinds = append(kinds, kindCount{lines[i].tag(), n})
		}
	}
	return all, kinds
}

func allUnder(lines []Line, parent string) bool {
	for i := range lines {
		if lines[i].Parent != parent {
			return false
		}
	}
	return true
}

// named is how many monitors a subject names.
const named = 2

func names(lines []Line, all int) string {
	shown := make([]string, 0, named)
	for i := range lines[:min(named, len(lines))] {
		shown = append(shown, lines[i].Incident.Monitor)
	}
	switch rest := all - len(shown); {
	case rest > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(shown, ", "), rest)
	default:
		return strings.Join(shown, " and ")
	}
}

// Summary tells an event in a few words, without its monitor.
func Summary(e *job.Event) string {
	l := lineOf(e)
	text := brief(&l, e.At)
	if l.tag() == tagDown && e.Incident.ProbeResult.Class != "" {
		text = string(e.Incident.ProbeResult.Class) + ": " + text
	}
	return text
}

// Tag names an event as a mail's subject does: "DOWN", "NO DATA".
func Tag(e *job.Event) string {
	l := lineOf(e)
	return string(l.tag())
}

func lineOf(e *job.Event) Line {
	l := Line{Incident: &e.Incident}
	if e.Kind != job.EventBegan {
		l.Resolution = &job.Resolution{Kind: e.Kind, At: e.At, ProbeResult: e.ProbeResult}
	}
	return l
}
