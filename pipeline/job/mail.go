package job

import "time"

// Mail orders one mail to one envelope recipient.
type Mail struct {
	V int `json:"v"`
	// ID identifies the mail: a second order with the id of one that is queued
	// or was sent lately has no effect. A mail without it takes the last token
	// of its subject.
	ID string `json:"id,omitempty"`
	// To is one address, RFC 5322, with or without a display name: who gets the
	// mail. One to many is a job for each of them.
	To string `json:"to"`
	// ShownTo and CC are whom the mail shows as its recipients; an empty ShownTo
	// means To. They get it by jobs of their own.
	ShownTo []string `json:"shown_to,omitempty"`
	CC      []string `json:"cc,omitempty"`
	// From is the sender; empty means the installation's. ReplyTo is where
	// answers go; empty means to the sender.
	From    string `json:"from,omitempty"`
	ReplyTo string `json:"reply_to,omitempty"`
	Subject string `json:"subject"`
	// Headers are more headers, by name; those that the mail has anyway cannot be
	// set.
	Headers map[string]string `json:"headers,omitempty"`
	// Text is the plain body, HTML the alternative to it.
	Text string `json:"text"`
	HTML string `json:"html,omitempty"`
	// Attachments come after the text, at most [MaxAttachments] and
	// [MaxAttached] bytes in all.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Thread groups mails: those of one incident share it.
	Thread string `json:"thread,omitempty"`
	// List is what kind of mail it is, for the filters of those who get it: the
	// first part of its List-Id (RFC 2919), such as alerts.
	List string `json:"list,omitempty"`
	// Date is the mail's date: the event's time, the same at each attempt.
	// Zero means when the job was stored.
	Date time.Time `json:"date,omitzero"`
	// NotAfter is when the mail is no longer wanted: later it becomes a dead
	// letter "expired". Zero means that it is always wanted.
	NotAfter time.Time `json:"not_after,omitzero"`
}

// Attachment is a file in a mail.
type Attachment struct {
	// Name is the file's name, without a folder.
	Name string `json:"name"`
	// Type is its media type; empty means application/octet-stream.
	Type string `json:"type,omitempty"`
	// Content is base64 in JSON.
	Content []byte `json:"content"`
}

// Bounds of the attachments of a mail.
const (
	MaxAttachments = 20
	MaxAttached    = 4 << 20
)

// The classes of mail, each with subjects and a queue of its own so that one
// backlog does not delay another.
const (
	MailAlert = "alert" // ordered by the notifier
	MailAdhoc = "adhoc" // ordered by people and programs
	// MailOperator mails tell operators of the installation. When one fails,
	// nobody is mailed of that.
	MailOperator = "operator"
)

// MailClasses returns them all.
func MailClasses() []string { return []string{MailAlert, MailAdhoc, MailOperator} }

// Delivery says what became of a mail; it is kept under the mail's id for two days
// and read before the mail is tried again.
type Delivery struct {
	V  int    `json:"v"`
	ID string `json:"id"`
	// Done is true once a relay or the Maildir has accepted the mail.
	Done bool `json:"done"`
	// Trying is true while an attempt is under way, or when its outcome is not
	// known: the mail may have left.
	Trying bool `json:"trying,omitempty"`
	// Withdrawn is true when whoever ordered the mail has taken it back before it
	// left; it is never sent.
	Withdrawn bool `json:"withdrawn,omitempty"`
	// At is when the state was written, Reply the relay's last words, or why the
	// last attempt failed, Relay who said them.
	At    time.Time `json:"at"`
	Relay string    `json:"relay,omitempty"`
	Reply string    `json:"reply,omitempty"`
}

// AttemptLease is how long an attempt that begins is left alone: while a cluster chooses
// a leader, a job may come to another worker before the first could write down
// that its mail has left.
const AttemptLease = 12 * time.Second

// HeldFor tells how much longer somebody may be at it who began an attempt and has
// not said how it ended; zero when nobody is. A time that lies far ahead is that of
// another machine's wrong clock, and not waited for.
func (s Delivery) HeldFor(now time.Time) time.Duration {
	left := s.At.Add(AttemptLease).Sub(now)
	if !s.Trying || s.Reply != "" || left <= 0 || left > 2*AttemptLease {
		return 0
	}
	return left
}
