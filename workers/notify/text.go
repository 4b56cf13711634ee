package notify

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Summary describes an event in a few words, without its monitor.
func Summary(e *job.Event) string {
	l := eventLine(e)
	text := summary(&l, e.At)
	if l.tag() == tagDown && e.Incident.ProbeResult.Class != "" {
		text = string(e.Incident.ProbeResult.Class) + ": " + text
	}
	return text
}

// Tag names an event as a mail's subject does: "DOWN", "NO DATA".
func Tag(e *job.Event) string {
	l := eventLine(e)
	return string(l.tag())
}

func eventLine(e *job.Event) Line {
	l := Line{Incident: &e.Incident}
	if e.Kind != job.EventBegan {
		l.Resolution = &job.Resolution{Kind: e.Kind, At: e.At, ProbeResult: e.ProbeResult}
	}
	return l
}

// summary describes a line in a few words, without its monitor, for subjects and
// lists. now is when the mail is written.
func summary(l *Line, now time.Time) string {
	incident := l.Incident
	switch t := l.tag(); t {
	case tagDown, tagDegraded:
		return causeText(&incident.ProbeResult) + voteCount(incident) + nowText(l)
	case tagStillDown:
		return causeText(&incident.ProbeResult) + voteCount(incident) + nowText(l) + ", for " + l.lasting(now)
	case tagStillNoData:
		return missSummary(incident) + ", for " + l.lasting(now)
	case tagPaused:
		return "last seen " + lastSeen(incident)
	case tagUp:
		return "was down " + l.lasted()
	case tagRemoved:
		return "monitor removed, it " + l.was()
	case tagOK:
		return "was degraded " + l.lasted()
	case tagFlapping:
		return "goes up and down; now " + healthText(&incident.ProbeResult)
	case tagStable:
		text := "no longer flapping, after " + l.lasted()
		if l.Resolution.ProbeResult != nil {
			text = healthText(l.Resolution.ProbeResult) + ", " + text
		}
		return text
	case tagNoData:
		return missSummary(incident)
	case tagDataAgain:
		return "had no data" + fromLocation(incident) + " for " + l.lasted()
	case tagCertificate:
		return expiryText(incident.ProbeResult.CertificateExpires, now)
	default:
		return string(t)
	}
}

// headline is the first sentence in a mail about one monitor.
func headline(l *Line, now time.Time) string {
	name := l.Incident.Monitor
	switch t := l.tag(); t {
	case tagDown:
		text := name + " is down: " + summary(l, now) + "."
		if l.Parent != "" {
			text += " It depends on " + l.Parent + ", which is down."
		}
		return text
	case tagStillDown:
		return reminderHeadline(l, now)
	case tagStillNoData:
		return reminderHeadline(l, now)
	case tagPaused:
		return name + " is paused, and was last seen " + lastSeen(l.Incident) + ". There are no reminders while it is paused. When it is checked again, a mail says how it is."
	case tagDegraded:
		return name + " is degraded: " + summary(l, now) + "."
	case tagUp:
		if l.Unannounced {
			return name + " was down for " + l.lasted() + ", and is up again."
		}
		return name + " is up again, after " + l.lasted() + "."
	case tagRemoved:
		return "The monitor " + name + " was removed. It " + l.was() + ". There will be no more mails about it."
	case tagOK:
		return name + " is no longer degraded, after " + l.lasted() + "."
	case tagFlapping:
		return name + " is flapping: it goes up and down. There will be no mails about single changes until it is stable."
	case tagStable:
		return name + " is stable: " + summary(l, now) + "."
	case tagNoData, tagDataAgain:
		return noDataHeadline(l)
	case tagCertificate:
		return "The certificate of " + name + " " + summary(l, now) + "."
	default:
		return name + " changed: " + string(t) + "."
	}
}

func noDataHeadline(l *Line) string {
	incident := l.Incident
	what := "Vedette has no data about " + incident.Monitor + fromLocation(incident) + ": " + MissText(incident.Reason, incident.Detail) + "."
	switch {
	case l.Resolution != nil:
		return fmt.Sprintf("Vedette has data about %s%s again. It had none for %s (%s).",
			incident.Monitor, fromLocation(incident), l.lasted(), MissText(incident.Reason, incident.Detail))
	case incident.OfOneLocation():
		return what + " This location has no vote until it has data again."
	default:
		return what + " It is not known whether " + incident.Monitor + " is up."
	}
}

func reminderHeadline(l *Line, now time.Time) string {
	incident := l.Incident
	if incident.Condition == job.ConditionNoData {
		return fmt.Sprintf("Vedette still has no data about %s, for %s: %s.", incident.Monitor, l.lasting(now), MissText(incident.Reason, incident.Detail))
	}
	text := fmt.Sprintf("%s is still down, for %s: %s.", incident.Monitor, l.lasting(now), causeText(&incident.ProbeResult))
	if l.Now != nil {
		text = fmt.Sprintf("%s is still down, for %s: %s. It began with: %s.", incident.Monitor, l.lasting(now), causeText(l.Now), causeText(&incident.ProbeResult))
	}
	return text
}

// lasting is how long an open incident lasts.
func (l *Line) lasting(now time.Time) string { return HumanBetween(l.Incident.Began, now) }

// nowText is a cause that differs from the one at the beginning.
func nowText(l *Line) string {
	if l.Now == nil {
		return ""
	}
	return "; now " + causeText(l.Now)
}

// lastSeen is how a monitor was when its checks stopped.
func lastSeen(incident *job.Incident) string {
	if incident.Condition == job.ConditionNoData {
		return "without data"
	}
	return "down: " + causeText(&incident.ProbeResult)
}

func missSummary(incident *job.Incident) string {
	text := MissText(incident.Reason, incident.Detail)
	if incident.OfOneLocation() {
		text += " (location " + incident.Location + ")"
	}
	return text
}

// dependentsText counts the dependents in a sentence.
func dependentsText(l *Line) string {
	state := "down"
	if l.Resolution != nil {
		state = "up again"
	}
	if len(l.Dependents) == 1 {
		return "1 monitor that depends on it is " + state + " as well."
	}
	return fmt.Sprintf("%d monitors that depend on it are %s as well.", len(l.Dependents), state)
}

// was is what the incident was, and for how long.
func (l *Line) was() string {
	if l.Incident.Condition == job.ConditionNoData {
		return "had no data" + fromLocation(l.Incident) + " for " + l.lasted()
	}
	return "was " + string(l.Incident.Condition) + " for " + l.lasted()
}

// lasted is how long the incident lasted.
func (l *Line) lasted() string {
	if l.Resolution == nil {
		return ""
	}
	return HumanBetween(l.Incident.Began, l.Resolution.At)
}

func healthText(result *job.ProbeResult) string {
	if result.Health.OK() {
		return "up"
	}
	return "down: " + causeText(result)
}

// fromLocation names the single location that an incident belongs to.
func fromLocation(incident *job.Incident) string {
	if !incident.OfOneLocation() {
		return ""
	}
	return " from " + incident.Location
}

// voteCount is how many locations agree, empty without votes.
func voteCount(incident *job.Incident) string {
	if len(incident.Votes) == 0 {
		return ""
	}
	agree := 0
	for i := range incident.Votes {
		if health := incident.Votes[i].Health; health == job.Down || health == job.Degraded && incident.Condition == job.ConditionDegraded {
			agree++
		}
	}
	return fmt.Sprintf(" (%d of %d locations)", agree, len(incident.Votes))
}

func expiryText(at, now time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "expires in " + HumanDuration(left)
	}
	return "has expired"
}

// MissText describes the reason for a missed check, and its detail.
func MissText(reason job.MissReason, detail string) string {
	text := missText(reason)
	if detail = plain(detail); detail != "" {
		text += " (" + detail + ")"
	}
	return text
}

func missText(reason job.MissReason) string {
	known := map[job.MissReason]string{
		job.MissLate:        "no process scheduled its checks",
		job.MissNoProcess:   "no process was running",
		job.MissOverlap:     "its check does not end",
		job.MissExpired:     "its checks wait too long for a worker",
		job.MissShed:        "workers have no room for its checks",
		job.MissRefused:     "the NATS server refuses its checks",
		job.MissNoWorker:    "no worker takes its checks",
		job.MissBrokerDown:  "the NATS server was not reachable",
		job.MissClockSet:    "the clock was set forward",
		job.MissNewer:       "its definition needs a newer version than the scheduler",
		job.MissPaused:      "it is paused",
		job.MissCheckFailed: "its checks fail in the worker",
		job.MissLost:        "its check was lost",
	}
	return cmp.Or(known[reason], strings.ReplaceAll(plain(string(reason)), "_", " "))
}
