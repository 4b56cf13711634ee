package job

import "time"

// NotificationLog is what one address was told of one monitor, and what it is owed.
// There is one for each address, group and monitor that there was ever news of.
type NotificationLog struct {
	V       int    `json:"v"`
	Monitor string `json:"monitor"`
	// Sequence is that of the newest event which was taken in.
	Sequence int `json:"sequence"`
	// Incidents are the incidents of which something was told or is owed, oldest
	// first.
	Incidents []Notified `json:"incidents,omitempty"`
}

// Notified is one incident as far as an address is concerned.
type Notified struct {
	Incident Incident `json:"incident"`
	// ReceivedAt is when the beginning was taken in.
	ReceivedAt time.Time `json:"received_at"`
	// Resolution is how it ended, nil while it lasts.
	Resolution *Resolution `json:"resolution,omitempty"`
	// NotifiedBy is the id of the mail that told of the beginning, and Closed of the
	// one that told of the end; empty while none has.
	NotifiedBy string `json:"notified_by,omitempty"`
	ResolvedBy string `json:"resolved_by,omitempty"`
	// NotifiedAt is when the mail that told of the beginning was made.
	NotifiedAt time.Time `json:"notified_at,omitzero"`
	// Parent is the monitor under which it was listed, empty for none.
	Parent string `json:"parent,omitempty"`
}

// Resolution is how an incident ended.
type Resolution struct {
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// ReceivedAt is when the end was taken in.
	ReceivedAt  time.Time    `json:"received_at"`
	ProbeResult *ProbeResult `json:"probe_result,omitempty"`
}

// NotificationGroup is what is on its way to one address, of one group of monitors.
// Whoever changes it, by compare-and-swap, decides what the next mail tells.
type NotificationGroup struct {
	V int `json:"v"`
	// Address is where mails go, Recipient a name that leads there.
	Address   string `json:"address"`
	Recipient string `json:"recipient"`
	// Group is what its monitors have in common, in words.
	Group []string `json:"group,omitempty"`
	// Operators says that these mails are about Vedette itself.
	Operators bool `json:"operators,omitempty"`
	// Sequence counts the mails that were made.
	Sequence int `json:"sequence,omitempty"`
	// NextFlush is when it is to be looked at again, zero when only news are a reason.
	NextFlush time.Time `json:"next_flush,omitzero"`
	// LastNotified is when the last mail was made.
	LastNotified time.Time `json:"last_notified,omitzero"`
	// Pending is a mail that is being handed over, with what it tells.
	Pending *Notification `json:"pending,omitempty"`
	// Delivery is the last mail, until it is known to have left.
	Sent *Notification `json:"sent,omitempty"`
}

// Notification is a mail of a [].
type Notification struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Mail and Tells are set while it is being handed over.
	Mail    *Mail    `json:"mail,omitempty"`
	Updates []Update `json:"updates,omitempty"`
}

// Update is one thing that a letter does to an account.
type Update struct {
	Monitor  string `json:"monitor"`
	Incident string `json:"incident"`
	// Firing says that the beginning is told, End that the end is, Drop that
	// neither ever will be. Under is the monitor under which it is listed.
	Firing     bool   `json:"firing,omitempty"`
	Resolved   bool   `json:"resolved,omitempty"`
	Suppressed bool   `json:"suppressed,omitempty"`
	Parent     string `json:"parent,omitempty"`
}
