package notify

import (
	"time"

	"vedette/pipeline/job"
)

// apply marks in a log what a notification reports, which claims it: another
// notification cannot report the same. It returns whether the log changed, and
// whether another notification, of a group that the log belonged to before, was
// faster. Applying it twice changes nothing more.
func apply(log *job.NotificationLog, n *job.Notification) (changed, lost bool) {
	for _, update := range n.Updates {
		if update.Monitor != log.Monitor {
			continue
		}
		changes, misses := applyUpdate(log, update, n)
		changed, lost = changed || changes, lost || misses
	}
	return changed, lost
}

func applyUpdate(log *job.NotificationLog, update job.Update, n *job.Notification) (changed, lost bool) {
	at := indexOf(log, update.Incident)
	switch {
	case at < 0:
		return false, !update.Suppressed
	case update.Suppressed:
		log.Incidents = append(log.Incidents[:at:at], log.Incidents[at+1:]...)
		return true, false
	}
	known := &log.Incidents[at]
	claim := func(by *string) bool {
		if *by != "" {
			lost = lost || *by != n.ID
			return false
		}
		*by, changed = n.ID, true
		return true
	}
	if update.Firing && claim(&known.NotifiedBy) {
		known.NotifiedAt, known.Parent = n.At, update.Parent
	}
	if update.Listed && claim(&known.ListedBy) {
		known.Parent = update.Parent
		if known.NotifiedBy == "" {
			known.NotifiedAt = n.At
		}
	}
	if update.Resolved {
		claim(&known.ResolvedBy)
	}
	if update.Paused {
		claim(&known.PausedBy)
	}
	if update.Resumed {
		claim(&known.ResumedBy)
	}
	if (update.Reminded || update.Resumed) && known.RemindedBy != n.ID {
		if lost = lost || update.Reminded && n.At.Sub(known.RemindedAt).Abs() < clockSlack; !lost {
			known.RemindedBy, known.RemindedAt, changed = n.ID, n.At, true
		}
	}
	return changed, lost
}

func indexOf(log *job.NotificationLog, incident string) int {
	for i := range log.Incidents {
		if log.Incidents[i].Incident.ID == incident {
			return i
		}
	}
	return -1
}

// withdraw undoes what a mail that was withdrawn has changed in a log.
func withdraw(log *job.NotificationLog, mail string) (changed bool) {
	for i := range log.Incidents {
		known := &log.Incidents[i]
		undo := func(by *string) bool {
			if *by != mail {
				return false
			}
			*by, changed = "", true
			return true
		}
		undo(&known.ListedBy)
		undo(&known.ResolvedBy)
		undo(&known.PausedBy)
		undo(&known.ResumedBy)
		if undo(&known.NotifiedBy) {
			known.NotifiedAt = time.Time{}
		}
		if undo(&known.RemindedBy) {
			known.RemindedAt = time.Time{}
		}
		if !announced(known) {
			known.Parent, known.NotifiedAt = "", time.Time{}
		}
	}
	return changed
}

// mailsOf returns the mails that have reported something in a log.
func mailsOf(log *job.NotificationLog) []string {
	var mails []string
	for i := range log.Incidents {
		known := &log.Incidents[i]
		for _, mail := range []string{known.NotifiedBy, known.ListedBy, known.ResolvedBy, known.PausedBy, known.ResumedBy, known.RemindedBy} {
			if mail != "" {
				mails = append(mails, mail)
			}
		}
	}
	return mails
}
