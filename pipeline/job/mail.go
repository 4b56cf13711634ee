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
