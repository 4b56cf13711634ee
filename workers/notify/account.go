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

// Take brings an account up to a state of its monitor: it takes in the events
// that it does not know, and ends what the state no longer has open, since a
// reader may have missed events. A state that is older than what the account
// knows changes nothing. It reports whether the account changed, and whether
// there is something that may have to be told.
//
// begins says which conditions this address hears of, when they begin.
func Take(account job.Account, state *job.State, begins func(*job.Incident) bool, now time.Time) (job.Account, bool) {
	if state.Sequence <= account.Sequence {
		return account, false
	}
	now = now.UTC()
	before := account.Sequence
	account.V, account.Monitor, account.Sequence = job.Version, state.Monitor, state.Sequence
	account.Tales = slices.Clone(account.Tales)
	for i := range state.Events {
		event := &state.Events[i]
		if event.Sequence <= before {
			continue
		}
		if event.Kind.Begins() {
			if begins(&event.Incident) {
				account.Tales = append(account.Tales, job.Tale{Incident: event.Incident, Noted: now})
			}
			continue
		}
		end(account.Tales, event.Incident.ID, job.Ending{Kind: event.Kind, At: event.At, Noted: now, Outcome: event.Outcome})
	}
	reconcile(account.Tales, state, now)
	account.Tales = trim(slices.DeleteFunc(account.Tales, func(t job.Tale) bool {
		return t.Told == "" && t.Ended != nil && now.Sub(t.Ended.At) > maxAge
	}))
	return account, true
}

// trim drops the oldest tales that nobody was told of and that are over, while
// there are too many.
func trim(tales []job.Tale) []job.Tale {
	for len(tales) > maxTales {
		at := slices.IndexFunc(tales, func(t job.Tale) bool { return t.Told == "" && t.Ended != nil })
		if at < 0 {
			return tales
		}
		tales = slices.Delete(tales, at, at+1)
	}
	return tales
}

func end(tales []job.Tale, incident string, ending job.Ending) {
	for i := range tales {
		if tales[i].Incident.ID == incident && tales[i].Ended == nil {
			tales[i].Ended = &ending
		}
	}
}

// reconcile ends the tales of incidents that the state does not have open.
func reconcile(tales []job.Tale, state *job.State, now time.Time) {
	open := state.Open()
	for i := range tales {
		tale := &tales[i]
		if tale.Ended != nil || tale.Incident.Condition == job.ConditionCertificate {
			continue
		}
		if slices.ContainsFunc(open, func(incident *job.Incident) bool { return incident.ID == tale.Incident.ID }) {
			continue
		}
		at := state.Slot
		if tale.Incident.Condition == job.ConditionDown && state.Health == job.Up {
			at = state.Since
		}
		tale.Ended = &job.Ending{Kind: endOf(tale.Incident.Condition), At: at, Noted: now}
	}
}

// endOf is the event that ends a condition.
func endOf(condition job.Condition) job.EventKind {
	switch condition {
	case job.ConditionDown:
		return job.EventUp
	case job.ConditionDegraded:
		return job.EventWell
	case job.ConditionFlapping:
		return job.EventSettled
	case job.ConditionBlind:
		return job.EventSeen
	case job.ConditionCertificate:
		return job.EventCertificate
	default:
		return job.EventUp
	}
}

// HasNews tells whether something in an account is yet to be told, or decided
// about.
func HasNews(account job.Account) bool {
	return slices.ContainsFunc(account.Tales, func(t job.Tale) bool {
		return t.Closed == "" && (t.Told == "" || t.Ended != nil)
	})
}

// Settle does to an account what a letter tells: what is told is marked with
// the letter's id, what is dropped goes. Doing it twice is doing it once.
func Settle(account job.Account, letter job.Letter) (job.Account, bool) {
	changed := false
	account.Tales = slices.Clone(account.Tales)
	for _, telling := range letter.Tells {
		if telling.Monitor == account.Monitor {
			changed = settle(&account, telling, &letter) || changed
		}
	}
	return account, changed
}

func settle(account *job.Account, telling job.Telling, letter *job.Letter) bool {
	at := slices.IndexFunc(account.Tales, func(t job.Tale) bool { return t.Incident.ID == telling.Incident })
	if at < 0 {
		return false
	}
	tale := &account.Tales[at]
	if telling.Drop {
		account.Tales = slices.Delete(account.Tales, at, at+1)
		return true
	}
	changed := false
	if telling.Begin && tale.Told == "" {
		tale.Told, tale.ToldAt, tale.Under, changed = letter.ID, letter.At, telling.Under, true
	}
	if telling.End && tale.Closed == "" {
		tale.Closed, changed = letter.ID, true
	}
	return changed
}

// Forget takes out of an account what a letter has told to its end, once it is
// known to have left.
func Forget(account job.Account, letter string) (job.Account, bool) {
	before := len(account.Tales)
	account.Tales = slices.DeleteFunc(slices.Clone(account.Tales), func(t job.Tale) bool { return t.Closed == letter })
	return account, len(account.Tales) != before
}

// Withdraw undoes in an account what a letter has told that never left.
func Withdraw(account job.Account, letter string) (job.Account, bool) {
	changed := false
	account.Tales = slices.Clone(account.Tales)
	for i := range account.Tales {
		tale := &account.Tales[i]
		if tale.Told == letter {
			tale.Told, tale.ToldAt, tale.Under, changed = "", time.Time{}, "", true
		}
		if tale.Closed == letter {
			tale.Closed, changed = "", true
		}
	}
	return account, changed
}
