package job

import "time"

// NotificationLog records which incidents of one monitor an address was
// notified about, and which notifications are still outstanding. Each pair of
// address and monitor has one log for alerts, and one for mails to operators.
type NotificationLog struct {
	V       int    `json:"v"`
	Monitor string `json:"monitor"`
	// Group is the last part of the key of the [NotificationGroup] that the log
	// belongs to at present.
	Group string `json:"group,omitempty"`
	// Former reports that the address is no recipient of the monitor at present:
	// it only gets the end of what it was notified about.
	Former bool `json:"former,omitempty"`
	// PausedAt is when the notifier found the monitor paused; zero while it is
	// checked.
	PausedAt time.Time `json:"paused_at,omitzero"`
	// Sequence is the sequence of the newest event received.
	Sequence int `json:"sequence"`
	// Incidents are the incidents with a notification sent or outstanding,
	// oldest first.
	Incidents []Notified `json:"incidents,omitempty"`
}

// Notified is one incident as one address knows it.
type Notified struct {
	// Incident has the group, labels, parents and recipients of the definition at
	// present, and not those at its beginning.
	Incident Incident `json:"incident"`
	// ReceivedAt is when the notifier received the beginning, or found that the
	// incident concerns the address.
	ReceivedAt time.Time `json:"received_at"`
	// Joined reports that the address became a recipient after the beginning.
	Joined bool `json:"joined,omitempty"`
	// Resolution is how the incident ended, nil while it lasts.
	Resolution *Resolution `json:"resolution,omitempty"`
	// NotifiedBy is the id of the mail about the beginning, ResolvedBy that of
	// the mail about the end; empty while there is no such mail.
	NotifiedBy string `json:"notified_by,omitempty"`
	ResolvedBy string `json:"resolved_by,omitempty"`
	// NotifiedAt is when the mail about the beginning was written, or the one that
	// listed the incident.
	NotifiedAt time.Time `json:"notified_at,omitzero"`
	// Parent is the monitor under which that mail listed the incident.
	Parent string `json:"parent,omitempty"`
	// ListedBy is the id of a mail about a parent that listed the incident, which
	// had no mail of its own at that time.
	ListedBy string `json:"listed_by,omitempty"`
	// RemindedBy is the id of the last mail that repeated the incident, and
	// RemindedAt when it was written.
	RemindedBy string    `json:"reminded_by,omitempty"`
	RemindedAt time.Time `json:"reminded_at,omitzero"`
	// PausedBy is the id of the mail that said that the monitor is paused,
	// ResumedAt when the notifier found it resumed after that, and ResumedBy the
	// mail that said what is true since.
	PausedBy  string    `json:"paused_by,omitempty"`
	ResumedAt time.Time `json:"resumed_at,omitzero"`
	ResumedBy string    `json:"resumed_by,omitempty"`
}

// Resolution is how an incident ended.
type Resolution struct {
	// Kind is ended or removed.
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// ReceivedAt is when the notifier received the end.
	ReceivedAt  time.Time    `json:"received_at"`
	ProbeResult *ProbeResult `json:"probe_result,omitempty"`
}

// NotificationGroup is the state of the mails to one address about one group of
// monitors. Writing it by compare-and-swap decides what the next mail says.
type NotificationGroup struct {
	V int `json:"v"`
	// Address is where mails go, Recipient a recipient with that address.
	Address   string `json:"address"`
	Recipient string `json:"recipient"`
	// Group is what the monitors have in common, for people.
	Group []string `json:"group,omitempty"`
	// Operators marks mails about Vedette itself.
	Operators bool `json:"operators,omitempty"`
	// Sequence counts the mails written.
	Sequence int `json:"sequence,omitempty"`
	// NextFlush is when to decide again, zero when only an event is a reason to.
	NextFlush time.Time `json:"next_flush,omitzero"`
	// LastNotified is when the last mail was written.
	LastNotified time.Time `json:"last_notified,omitzero"`
	// Pending is a mail that is being enqueued, with its log updates.
	Pending *Notification `json:"pending,omitempty"`
	// Sent is the last mail, until its delivery is certain.
	Sent *Notification `json:"sent,omitempty"`
}

// Notification is one mail for a [NotificationGroup].
type Notification struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Mail and Updates are set while the mail is being enqueued.
	Mail    *Mail    `json:"mail,omitempty"`
	Updates []Update `json:"updates,omitempty"`
}

// Update is what a [Notification] changes in a [NotificationLog].
type Update struct {
	Monitor  string `json:"monitor"`
	Incident string `json:"incident"`
	// Firing marks the beginning as notified, Resolved the end. Suppressed
	// removes an incident that will never be notified.
	Firing     bool `json:"firing,omitempty"`
	Resolved   bool `json:"resolved,omitempty"`
	Suppressed bool `json:"suppressed,omitempty"`
	// Listed marks the incident as listed under a parent, Reminded as repeated,
	// Paused and Resumed as reported with the monitor's pause and its end.
	Listed   bool `json:"listed,omitempty"`
	Reminded bool `json:"reminded,omitempty"`
	Paused   bool `json:"paused,omitempty"`
	Resumed  bool `json:"resumed,omitempty"`
	// Parent is the monitor under which the mail lists the incident.
	Parent string `json:"parent,omitempty"`
}
