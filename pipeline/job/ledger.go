package job

import "time"

// Account is what one address was told of one monitor, and what it is owed.
// There is one for each address, group and monitor that there was ever news of.
type Account struct {
	V       int    `json:"v"`
	Monitor string `json:"monitor"`
	// Sequence is that of the newest event which was taken in.
	Sequence int `json:"sequence"`
	// Tales are the incidents of which something was told or is owed, oldest
	// first.
	Tales []Tale `json:"tales,omitempty"`
}

// Tale is one incident as far as an address is concerned.
type Tale struct {
	Incident Incident `json:"incident"`
	// Noted is when the beginning was taken in.
	Noted time.Time `json:"noted"`
	// Ended is how it ended, nil while it lasts.
	Ended *Ending `json:"ended,omitempty"`
	// Told is the id of the mail that told of the beginning, and Closed of the
	// one that told of the end; empty while none has.
	Told   string `json:"told,omitempty"`
	Closed string `json:"closed,omitempty"`
	// ToldAt is when the mail that told of the beginning was made.
	ToldAt time.Time `json:"told_at,omitzero"`
	// Under is the monitor under which it was listed, empty for none.
	Under string `json:"under,omitempty"`
}

// Ending is how an incident ended.
type Ending struct {
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// Noted is when the end was taken in.
	Noted   time.Time `json:"noted"`
	Outcome *Outcome  `json:"outcome,omitempty"`
}

// Mailing is what is on its way to one address, of one group of monitors.
// Whoever changes it, by compare-and-swap, decides what the next mail tells.
type Mailing struct {
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
	// Wake is when it is to be looked at again, zero when only news are a reason.
	Wake time.Time `json:"wake,omitzero"`
	// Last is when the last mail was made.
	Last time.Time `json:"last,omitzero"`
	// Open is a mail that is being handed over, with what it tells.
	Open *Letter `json:"open,omitempty"`
	// Sent is the last mail, until it is known to have left.
	Sent *Letter `json:"sent,omitempty"`
}

// Letter is a mail of a [Mailing].
type Letter struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Mail and Tells are set while it is being handed over.
	Mail  *Mail     `json:"mail,omitempty"`
	Tells []Telling `json:"tells,omitempty"`
}

// Telling is one thing that a letter does to an account.
type Telling struct {
	Monitor  string `json:"monitor"`
	Incident string `json:"incident"`
	// Begin says that the beginning is told, End that the end is, Drop that
	// neither ever will be. Under is the monitor under which it is listed.
	Begin bool   `json:"begin,omitempty"`
	End   bool   `json:"end,omitempty"`
	Drop  bool   `json:"drop,omitempty"`
	Under string `json:"under,omitempty"`
}
