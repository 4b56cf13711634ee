package job

import "time"

// Mail is a job that sends one mail to one envelope recipient.
type Mail struct {
	V int `json:"v"`
	// ID identifies the mail. While a mail is queued, and for two days after it
	// was sent, another one with the same id has no effect. If ID is empty, the
	// last subject token counts.
	ID string `json:"id,omitempty"`
	// To is the recipient: one address, RFC 5322, with or without a display
	// name. A mail to several recipients is one job for each.
	To string `json:"to"`
	// ShownTo and CC are the recipients in the header; an empty ShownTo means
	// To. Each of them needs a job.
	ShownTo []string `json:"shown_to,omitempty"`
	CC      []string `json:"cc,omitempty"`
	// From is the sender; empty means the installation's. ReplyTo is the
	// address for replies; empty means the sender.
	From    string `json:"from,omitempty"`
	ReplyTo string `json:"reply_to,omitempty"`
	Subject string `json:"subject"`
	// Headers are custom headers by name. Headers that the mail has anyway
	// cannot be set.
	Headers map[string]string `json:"headers,omitempty"`
	// Text is the plain body, HTML the alternative to it.
	Text string `json:"text"`
	HTML string `json:"html,omitempty"`
	// Attachments follow the text: at most [MaxAttachments], with [MaxAttached]
	// bytes in total.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Thread groups mails: all mails about an incident share it.
	Thread string `json:"thread,omitempty"`
	// List is the kind of mail, for filters: the first part of its List-Id (RFC
	// 2919), such as alerts.
	List string `json:"list,omitempty"`
	// Monitors are the monitors that an alert is about, at most
	// [MaxMailMonitors], for reports about the mail.
	Monitors []string `json:"monitors,omitempty"`
	// Date is the mail's date: the event's time, the same at each attempt. Zero
	// means when the job was stored.
	Date time.Time `json:"date,omitzero"`
	// NotAfter is when the mail expires: later it becomes a dead letter with
	// the reason expired. Zero means never.
	NotAfter time.Time `json:"not_after,omitzero"`
}

// MaxMailMonitors limits [Mail].Monitors.
const MaxMailMonitors = 20

// Attachment is a file in a mail.
type Attachment struct {
	// Name is the file name, without a folder.
	Name string `json:"name"`
	// Type is its media type; empty means application/octet-stream.
	Type string `json:"type,omitempty"`
	// Content is base64 in JSON.
	Content []byte `json:"content"`
}

// Limits for a mail's attachments.
const (
	MaxAttachments = 20
	MaxAttached    = 4 << 20
)

// The mail classes. Each has its own subjects and queue, so that one backlog does not
// delay another.
const (
	MailAlert = "alert" // from the notifier
	MailAdhoc = "adhoc" // from clients
	// MailOperator mails notify the installation's operators. Their own failures
	// cause no further mail.
	MailOperator = "operator"
)

// MailClasses returns all classes.
func MailClasses() []string { return []string{MailAlert, MailAdhoc, MailOperator} }
