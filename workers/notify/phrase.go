package notify

import (
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// label is what stands in the brackets of a subject.
func label(kind job.EventKind) string {
	return strings.ToUpper(string(kind))
}

// brief tells a line in a few words, without its monitor: what a subject says,
// and a list. now is when the mail is made.
func brief(l *Line, now time.Time) string {
	incident := l.Incident
	switch l.Kind {
	case job.EventDown, job.EventDegraded:
		return among(causeOf(&incident.ProbeResult), incident)
	case job.EventUp:
		return "was down " + l.lasted()
	case job.EventRemoved:
		return "no longer watched, was " + string(incident.Condition) + " " + l.lasted()
	case job.EventWell:
		return "was degraded " + l.lasted()
	case job.EventFlapping:
		return "goes up and down; now " + healthNow(&incident.ProbeResult)
	case job.EventSettled:
		text := "no longer flapping, after " + l.lasted()
		if l.Ended != nil && l.Ended.ProbeResult != nil {
			text = healthNow(l.Ended.ProbeResult) + ", " + text
		}
		return text
	case job.EventBlind:
		return "not watched" + from(incident) + ": " + reasonOf(incident.Reason)
	case job.EventSeen:
		return "was not watched" + from(incident) + " for " + l.lasted()
	case job.EventCertificate:
		return expiry(incident.ProbeResult.CertificateExpires, now)
	default:
		return string(l.Kind)
	}
}

// headline is the sentence with which the mail of one line begins.
func headline(l *Line, now time.Time) string {
	name := l.Incident.Monitor
	switch l.Kind {
	case job.EventDown:
		text := name + " is down: " + brief(l, now) + "."
		if l.Under != "" {
			text += " It depends on " + l.Under + ", which is down."
		}
		return text
	case job.EventDegraded:
		return name + " is degraded: " + brief(l, now) + "."
	case job.EventUp:
		if l.Whole {
			return name + " was down for " + l.lasted() + ", and is up again."
		}
		return name + " is up again, after " + l.lasted() + "."
	case job.EventRemoved:
		return fmt.Sprintf("%s is no longer watched. It was %s for %s when its monitor was removed; no further mail about it will come.",
			name, l.Incident.Condition, l.lasted())
	case job.EventWell:
		return name + " is well again, after " + l.lasted() + "."
	case job.EventFlapping:
		return name + " is flapping: it goes up and down. Single changes are not mailed until it settles."
	case job.EventSettled:
		return name + " has settled: " + brief(l, now) + "."
	case job.EventBlind:
		where := from(l.Incident)
		if where != "" {
			return name + " is not watched" + where + ": " + reasonOf(l.Incident.Reason) + ". That location has no vote until it is."
		}
		return name + " is not watched: " + reasonOf(l.Incident.Reason) + ". Nobody knows whether it is up."
	case job.EventSeen:
		return name + " is watched" + from(l.Incident) + " again. It was not for " + l.lasted() + " (" + reasonOf(l.Incident.Reason) + ")."
	case job.EventCertificate:
		return "The certificate of " + name + " " + brief(l, now) + "."
	default:
		return name + " changed: " + string(l.Kind) + "."
	}
}

// lasted is how long the incident lasted.
func (l *Line) lasted() string {
	if l.Ended == nil {
		return ""
	}
	return Lasted(l.Ended.At.Sub(l.Incident.Began))
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

// reasonOf puts a reason for a miss into words.
func reasonOf(reason string) string {
	word, detail, more := strings.Cut(reason, ": ")
	var text string
	switch job.MissReason(word) {
	case job.MissLate:
		text = "no process scheduled its checks"
	case job.MissOverlap:
		text = "its check does not end"
	case job.MissExpired:
		text = "its checks wait too long for a worker"
	case job.MissShed:
		text = "workers have no room for its checks"
	case job.MissRefused:
		text = "the pipeline refuses its checks"
	case job.MissNoWorker:
		text = "no worker takes its checks"
	case job.MissBrokerDown:
		text = "the NATS server was away"
	case job.MissNewer:
		text = "it is of a newer version than the process that schedules it"
	case job.MissPaused:
		text = "it is paused"
	default:
		return plain(reason)
	}
	if more {
		text += " (" + plain(detail) + ")"
	}
	return text
}

func expiry(at, now time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "ends in " + Lasted(left)
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
			parts[i] = fmt.Sprintf("%s ×%d", label(k.kind), k.n)
		}
		return subject(strings.Join(parts, ", "), names(lines, all), "")
	}
	tag := label(first.Kind)
	if all > 1 {
		tag += fmt.Sprintf(" ×%d", all)
	}
	behind := len(first.Behind)
	switch {
	case len(lines) == 1 && behind > 0:
		return subject(tag, first.Incident.Monitor, fmt.Sprintf("%s, and %d behind it", brief(first, now), behind))
	case len(lines) == 1 && first.Under != "" && first.Kind == job.EventDown:
		return subject(tag, first.Incident.Monitor, brief(first, now)+", behind "+first.Under)
	case len(lines) == 1:
		return subject(tag, first.Incident.Monitor, brief(first, now))
	case first.Under != "" && allUnder(lines, first.Under):
		return subject(tag, "behind "+first.Under, "")
	default:
		return subject(tag, names(lines, all), "")
	}
}

func subjectOfReminder(lines []Line, now time.Time) string {
	first := &lines[0]
	tag := "STILL " + label(first.Kind)
	if len(lines) == 1 {
		return subject(tag, first.Incident.Monitor, "for "+Lasted(now.Sub(first.Incident.Began)))
	}
	return subject(fmt.Sprintf("%s ×%d", tag, len(lines)), names(lines, len(lines)), "")
}

type kindCount struct {
	kind job.EventKind
	n    int
}

// count counts what lines tell, with what is behind them, in their order.
func count(lines []Line) (all int, kinds []kindCount) {
	for i := range lines {
		n := 1 + len(lines[i].Behind)
		all += n
		known := false
		for j := range kinds {
			if kinds[j].kind == lines[i].Kind {
				kinds[j].n += n
				known = true
			}
		}
		if !known {
			kinds = append(kinds, kindCount{lines[i].Kind, n})
		}
	}
	return all, kinds
}

func allUnder(lines []Line, parent string) bool {
	for i := range lines {
		if lines[i].Under != parent {
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

// Brief tells an event in a few words, without its monitor.
func Brief(e *job.Event) string {
	l := Line{Kind: e.Kind, Incident: &e.Incident}
	if !e.Kind.Begins() {
		l.Ended = &job.Resolution{Kind: e.Kind, At: e.At, ProbeResult: e.ProbeResult}
	}
	text := brief(&l, e.At)
	if e.Kind == job.EventDown && e.Incident.ProbeResult.Class != "" {
		text = string(e.Incident.ProbeResult.Class) + ": " + text
	}
	return text
}
