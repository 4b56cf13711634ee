package notify

import (
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

// receive brings a log up to a state of its monitor: it adds the events that are
// new, and resolves the incidents that the state no longer has open, since events
// may have been missed. A state older than the log changes nothing. It reports
// whether the log changed.
//
// concerns reports whether the address is notified about an incident.
func receive(log *job.NotificationLog, state *job.State, concerns func(*job.Incident) bool, now time.Time) bool {
	if state.Sequence <= log.Sequence {
		return false
	}
	now = now.UTC()
	before := log.Sequence
	log.V, log.Monitor, log.Sequence = job.Version, state.Monitor, state.Sequence
	for i := range state.Events {
		event := &state.Events[i]
		switch {
		case event.Sequence <= before:
		case event.Kind != job.EventBegan:
			resolve(log.Incidents, event.Incident.ID, job.Resolution{Kind: event.Kind, At: event.At, ReceivedAt: now, ProbeResult: event.ProbeResult})
		case concerns(&event.Incident):
			log.Incidents = append(log.Incidents, job.Notified{Incident: event.Incident, ReceivedAt: now})
		}
	}
	resolveMissed(log.Incidents, state, now)
	log.Incidents = trim(slices.DeleteFunc(log.Incidents, func(i job.Notified) bool {
		return i.NotifiedBy == "" && i.Resolution != nil && now.Sub(i.Resolution.At) > maxAge
	}))
	return true
}

// trim drops the oldest incidents that are over without a notification, while
// there are too many.
func trim(incidents []job.Notified) []job.Notified {
	for len(incidents) > maxUnnotified {
		at := slices.IndexFunc(incidents, func(i job.Notified) bool { return i.NotifiedBy == "" && i.Resolution != nil })
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
		if slices.ContainsFunc(open, func(incident *job.Incident) bool { return incident.ID == known.Incident.ID }) {
			continue
		}
		at := state.Slot
		if known.Incident.Condition == job.ConditionDown && state.Health == job.Up {
			at = state.Since
		}
		known.Resolution = &job.Resolution{Kind: job.EventEnded, At: at, ReceivedAt: now}
	}
}

// outstanding reports whether a notification about an incident is still to be
// sent or suppressed.
func outstanding(i *job.Notified) bool {
	return i.ResolvedBy == "" && (i.NotifiedBy == "" || i.Resolution != nil)
}

func hasOutstanding(log *job.NotificationLog) bool {
	return slices.ContainsFunc(log.Incidents, func(i job.Notified) bool { return outstanding(&i) })
}

// apply carries out a notification's updates on a log. Applying them twice
// changes nothing more.
func apply(log *job.NotificationLog, n *job.Notification) (changed bool) {
	for _, update := range n.Updates {
		if update.Monitor == log.Monitor {
			changed = applyUpdate(log, update, n) || changed
		}
	}
	return changed
}

func applyUpdate(log *job.NotificationLog, update job.Update, n *job.Notification) bool {
	at := slices.IndexFunc(log.Incidents, func(i job.Notified) bool { return i.Incident.ID == update.Incident })
	if at < 0 {
		return false
	}
	known := &log.Incidents[at]
	if update.Suppressed {
		log.Incidents = slices.Delete(log.Incidents, at, at+1)
		return true
	}
	changed := false
	if update.Firing && known.NotifiedBy == "" {
		known.NotifiedBy, known.NotifiedAt, known.Parent, changed = n.ID, n.At, update.Parent, true
	}
	if update.Resolved && known.ResolvedBy == "" {
		known.ResolvedBy, changed = n.ID, true
	}
	return changed
}

// forget removes the incidents that a mail resolved, once its delivery is
// certain.
func forget(log *job.NotificationLog, mail string) (changed bool) {
	before := len(log.Incidents)
	log.Incidents = slices.DeleteFunc(log.Incidents, func(i job.Notified) bool { return i.ResolvedBy == mail })
	return len(log.Incidents) != before
}

// withdraw undoes what a mail that was withdrawn has changed in a log.
func withdraw(log *job.NotificationLog, mail string) (changed bool) {
	for i := range log.Incidents {
		known := &log.Incidents[i]
		if known.NotifiedBy == mail {
			known.NotifiedBy, known.NotifiedAt, known.Parent, changed = "", time.Time{}, "", true
		}
		if known.ResolvedBy == mail {
			known.ResolvedBy, changed = "", true
		}
	}
	return changed
}
