package notify

import (
	"slices"
	"time"

	"vedette/pipeline/job"
)

// maxTales bounds what an account holds of what nobody was told of.
const maxTales = 16

// maxAge is how long ago something may have ended of which nobody was told, and
// still be told: whoever reads an old state again, or hears of a monitor for
// the first time, needs no history.
const maxAge = 24 * time.Hour

// receive brings an account up to a state of its monitor: it takes in the events
// that it does not know, and ends what the state no longer has open, since a
// reader may have missed events. A state that is older than what the account
// knows changes nothing. It reports whether the account changed, and whether
// there is something that may have to be told.
//
// begins says which conditions this address hears of, when they begin.
func receive(account job.NotificationLog, state *job.State, begins func(*job.Incident) bool, now time.Time) (job.NotificationLog, bool) {
	if state.Sequence <= account.Sequence {
		return account, false
	}
	now = now.UTC()
	before := account.Sequence
	account.V, account.Monitor, account.Sequence = job.Version, state.Monitor, state.Sequence
	account.Incidents = slices.Clone(account.Incidents)
	for i := range state.Events {
		event := &state.Events[i]
		if event.Sequence <= before {
			continue
		}
		if event.Kind == job.EventBegan {
			if begins(&event.Incident) {
				account.Incidents = append(account.Incidents, job.Notified{Incident: event.Incident, ReceivedAt: now})
			}
			continue
		}
		end(account.Incidents, event.Incident.ID, job.Resolution{Kind: event.Kind, At: event.At, ReceivedAt: now, ProbeResult: event.ProbeResult})
	}
	reconcile(account.Incidents, state, now)
	account.Incidents = trim(slices.DeleteFunc(account.Incidents, func(t job.Notified) bool {
		return t.NotifiedBy == "" && t.Resolution != nil && now.Sub(t.Resolution.At) > maxAge
	}))
	return account, true
}

// trim drops the oldest tales that nobody was told of and that are over, while
// there are too many.
func trim(tales []job.Notified) []job.Notified {
	for len(tales) > maxTales {
		at := slices.IndexFunc(tales, func(t job.Notified) bool { return t.NotifiedBy == "" && t.Resolution != nil })
		if at < 0 {
			return tales
		}
		tales = slices.Delete(tales, at, at+1)
	}
	return tales
}

func end(tales []job.Notified, incident string, ending job.Resolution) {
	for i := range tales {
		if tales[i].Incident.ID == incident && tales[i].Resolution == nil {
			tales[i].Resolution = &ending
		}
	}
}

// reconcile ends the tales of incidents that the state does not have open.
func reconcile(tales []job.Notified, state *job.State, now time.Time) {
	open := state.Open()
	for i := range tales {
		tale := &tales[i]
		if tale.Resolution != nil || tale.Incident.Condition == job.ConditionCertificate {
			continue
		}
		if slices.ContainsFunc(open, func(incident *job.Incident) bool { return incident.ID == tale.Incident.ID }) {
			continue
		}
		at := state.Slot
		if tale.Incident.Condition == job.ConditionDown && state.Health == job.Up {
			at = state.Since
		}
		tale.Resolution = &job.Resolution{Kind: job.EventEnded, At: at, ReceivedAt: now}
	}
}

// Outstanding tells whether something in an account is yet to be told, or decided
// about.
func Outstanding(account job.NotificationLog) bool {
	return slices.ContainsFunc(account.Incidents, func(t job.Notified) bool {
		return t.ResolvedBy == "" && (t.NotifiedBy == "" || t.Resolution != nil)
	})
}

// apply does to an account what a letter tells: what is told is marked with
// the letter's id, what is dropped goes. Doing it twice is doing it once.
func apply(account job.NotificationLog, letter job.Notification) (job.NotificationLog, bool) {
	changed := false
	account.Incidents = slices.Clone(account.Incidents)
	for _, telling := range letter.Updates {
		if telling.Monitor == account.Monitor {
			changed = settle(&account, telling, &letter) || changed
		}
	}
	return account, changed
}

func settle(account *job.NotificationLog, telling job.Update, letter *job.Notification) bool {
	at := slices.IndexFunc(account.Incidents, func(t job.Notified) bool { return t.Incident.ID == telling.Incident })
	if at < 0 {
		return false
	}
	tale := &account.Incidents[at]
	if telling.Suppressed {
		account.Incidents = slices.Delete(account.Incidents, at, at+1)
		return true
	}
	changed := false
	if telling.Firing && tale.NotifiedBy == "" {
		tale.NotifiedBy, tale.NotifiedAt, tale.Parent, changed = letter.ID, letter.At, telling.Parent, true
	}
	if telling.Resolved && tale.ResolvedBy == "" {
		tale.ResolvedBy, changed = letter.ID, true
	}
	return changed
}

// forget takes out of an account what a letter has told to its end, once it is
// known to have left.
func forget(account job.NotificationLog, letter string) (job.NotificationLog, bool) {
	before := len(account.Incidents)
	account.Incidents = slices.DeleteFunc(slices.Clone(account.Incidents), func(t job.Notified) bool { return t.ResolvedBy == letter })
	return account, len(account.Incidents) != before
}

// withdraw undoes in an account what a letter has told that never left.
func withdraw(account job.NotificationLog, letter string) (job.NotificationLog, bool) {
	changed := false
	account.Incidents = slices.Clone(account.Incidents)
	for i := range account.Incidents {
		tale := &account.Incidents[i]
		if tale.NotifiedBy == letter {
			tale.NotifiedBy, tale.NotifiedAt, tale.Parent, changed = "", time.Time{}, "", true
		}
		if tale.ResolvedBy == letter {
			tale.ResolvedBy, changed = "", true
		}
	}
	return account, changed
}
