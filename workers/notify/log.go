package notify

import (
	"cmp"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// maxUnnotified limits the incidents in a log without a notification.
const maxUnnotified = 16

// maxAge is how long after its end an incident may still be notified for the
// first time: a reader that sees an old state again, or a monitor for the first
// time, needs no history.
const maxAge = 24 * time.Hour

// receive adds the events in a state that are new to a log, and resolves the
// incidents that the state no longer has open, since events may have been missed.
// A state that is not newer than the log changes nothing.
//
// concerns reports whether the address is notified about an incident, and whether
// it was a recipient at its beginning.
func receive(log *job.NotificationLog, state *job.State, concerns func(*job.Incident) (is, was bool), now time.Time) {
	if state.Sequence <= log.Sequence {
		return
	}
	before, open := log.Sequence, state.Open()
	log.Sequence = state.Sequence
	for i := range state.Events {
		event := &state.Events[i]
		if event.Sequence <= before {
			continue
		}
		if event.Kind != job.EventBegan {
			resolve(log.Incidents, event.Incident.ID, job.Resolution{Kind: event.Kind, At: event.At, ReceivedAt: now, ProbeResult: event.ProbeResult})
			continue
		}
		if is, was := concerns(&event.Incident); is && (was || isOpen(open, event.Incident.ID)) {
			log.Incidents = append(log.Incidents, job.Notified{Incident: event.Incident, ReceivedAt: now, Joined: !was})
		}
	}
	resolveMissed(log.Incidents, state, now)
	log.Incidents = trim(slices.DeleteFunc(log.Incidents, func(i job.Notified) bool {
		return !announced(&i) && i.Resolution != nil && now.Sub(i.Resolution.At) > maxAge
	}))
}

// join adds the open incidents that the log does not have: the address became a
// recipient after they began.
func join(log *job.NotificationLog, state *job.State, concerns func(*job.Incident) (is, was bool), now time.Time) {
	for _, incident := range state.Open() {
		is, _ := concerns(incident)
		if is && !slices.ContainsFunc(log.Incidents, func(i job.Notified) bool { return i.Incident.ID == incident.ID }) {
			log.Incidents = append(log.Incidents, job.Notified{Incident: *incident, ReceivedAt: now, Joined: true})
		}
	}
}

func isOpen(open []*job.Incident, id string) bool {
	return slices.ContainsFunc(open, func(incident *job.Incident) bool { return incident.ID == id })
}

// trim drops the oldest incidents that are over without a notification, while
// there are too many.
func trim(incidents []job.Notified) []job.Notified {
	for len(incidents) > maxUnnotified {
		at := slices.IndexFunc(incidents, func(i job.Notified) bool { return !announced(&i) && i.Resolution != nil })
		if at < 0 {
			return incidents
		}
		incidents = slices.Delete(incidents, at, at+1)
	}
	return incidents
}

func resolve(incidents []job.Notified, id string, resolution job.Resolution) {
	for i := range incidents {
		if incidents[i].Incident.ID == id && incidents[i].Resolution == nil {
			incidents[i].Resolution = &resolution
		}
	}
}

// resolveMissed resolves the incidents that the state does not have open.
func resolveMissed(incidents []job.Notified, state *job.State, now time.Time) {
	open := state.Open()
	for i := range incidents {
		known := &incidents[i]
		if known.Resolution != nil || known.Incident.Condition == job.ConditionCertificate {
			continue
		}
		if isOpen(open, known.Incident.ID) {
			continue
		}
		at := cmp.Or(state.Slot, now)
		if known.Incident.Condition == job.ConditionDown && state.Health == job.Up {
			at = state.Since
		}
		known.Resolution = &job.Resolution{Kind: job.EventEnded, At: at, ReceivedAt: now}
	}
}

// announced reports whether an address was notified about an incident, in a mail
// of its own or under a parent.
func announced(i *job.Notified) bool { return i.NotifiedBy != "" || i.ListedBy != "" }

// outstanding reports whether a notification about an incident is still to be
// sent or suppressed.
func outstanding(log *job.NotificationLog, i *job.Notified) bool {
	paused := !log.PausedAt.IsZero()
	switch {
	case i.ResolvedBy != "":
		return false
	case i.Resolution != nil || !announced(i):
		return true
	case log.Former:
		return false
	case paused && pausable(i):
		return i.PausedBy == ""
	default:
		return i.NotifiedBy == "" || pausable(i) && resumed(log, i)
	}
}

// pausable reports whether the address is notified when the monitor is paused
// during the incident.
func pausable(i *job.Notified) bool {
	return i.Incident.Condition == job.ConditionDown || i.Incident.Condition == job.ConditionNoData
}

// resumed reports whether the address was notified that the monitor is paused,
// and not yet what is true after that.
func resumed(log *job.NotificationLog, i *job.Notified) bool {
	return log.PausedAt.IsZero() && i.PausedBy != "" && i.ResumedBy == ""
}

func hasOutstanding(log *job.NotificationLog) bool {
	return slices.ContainsFunc(log.Incidents, func(i job.Notified) bool { return outstanding(log, &i) })
}

// forget removes the incidents that a mail resolved, once its delivery is
// certain.
func forget(log *job.NotificationLog, mail string) (changed bool) {
	before := len(log.Incidents)
	log.Incidents = slices.DeleteFunc(log.Incidents, func(i job.Notified) bool { return i.ResolvedBy == mail })
	return len(log.Incidents) != before
}
