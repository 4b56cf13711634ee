package mail

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"vedette/pipeline/job"
)

// ErrInvalid is wrapped by each error from [Build]: no relay will ever accept
// the mail as it is.
var ErrInvalid = errors.New("mail is invalid")

// Defaults complete a job.
type Defaults struct {
	// From is the installation's sender: one address, RFC 5322, with or without
	// a display name.
	From string
	// Stored is when the job was stored, which is the same at each attempt. It
	// is the date of signatures, and of mails without a date.
	Stored time.Time
	// DKIM signs mails from its domain; nil signs none.
	DKIM *DKIM
}

// Message is a rendered mail.
type Message struct {
	// From and To are the envelope addresses, as in the angle brackets of MAIL
	// and RCPT (RFC 5321, 4.1.2).
	From, To string
	// ID is the Message-ID without angle brackets.
	ID string
	// Date is the mail's date, in UTC.
	Date time.Time
	// Bytes are header and body with CRLF line ends and lines of at most 998
	// octets, not yet dot-stuffed.
	Bytes []byte
}

// UTF8 reports whether the mail needs SMTPUTF8 (RFC 6531): an address in the
// envelope or the header is not ASCII. Names and subjects are encoded and do
// not need it.
func (m Message) UTF8() bool {
	header, _, _ := bytes.Cut(m.Bytes, []byte("\r\n\r\n"))
	return !isASCII(m.From) || !isASCII(m.To) || !isASCII(string(header))
}

// Build renders a mail. The bytes depend on the arguments alone. The error
// wraps [ErrInvalid] and names the field.
//
// The header marks the mail as automatic (Auto-Submitted, RFC 3834, and
// X-Auto-Response-Suppress for Exchange), so that no absence notice answers.
// Mails in one thread refer to the same Message-ID, which belongs to no mail,
// so that they are grouped whichever arrives first (RFC 5322, 3.6.4).
func Build(m job.Mail, defaults Defaults) (Message, error) {
	message, err := build(m, defaults)
	if err != nil {
		return Message{}, fmt.Errorf("build mail: %w: %w", ErrInvalid, err)
	}
	return message, nil
}

func build(m job.Mail, defaults Defaults) (Message, error) {
	m.From = cmp.Or(m.From, defaults.From)
	if m.Date.IsZero() {
		m.Date = defaults.Stored
	}
	if err := validateFields(m); err != nil {
		return Message{}, err
	}
	a, err := parseAddresses(m)
	if err != nil {
		return Message{}, err
	}
	rendered, err := render(m, a)
	if err == nil && defaults.DKIM != nil && defaults.DKIM.signs(a.from) {
		rendered, err = defaults.DKIM.sign(rendered, defaults.Stored)
	}
	if err != nil {
		return Message{}, err
	}
	return Message{From: envelope(a.from), To: envelope(a.to), ID: m.ID + "@" + idDomain(a.from), Date: m.Date.UTC(), Bytes: rendered}, nil
}

// validateFields refuses line ends in header fields: they would start another
// field.
func validateFields(m job.Mail) error {
	for _, field := range []struct{ name, value string }{{"from", m.From}, {"to", m.To}, {"subject", m.Subject}} {
		if strings.ContainsAny(field.value, "\r\n\x00") {
			return fmt.Errorf("%s: found a line end or a NUL in %q, expected one line", field.name, field.value)
		}
	}
	for _, field := range []struct{ name, value string }{{"id", m.ID}, {"thread", m.Thread}, {"list", m.List}} {
		if !job.ValidName(field.value) && (field.value != "" || field.name == "id") {
			return fmt.Errorf("%s: found %q, expected letters, digits, _, - and single dots", field.name, field.value)
		}
	}
	if m.Date.IsZero() {
		return errors.New("date: found none, and no stored time")
	}
	return errors.Join(validateHeaders(m), validateAttachments(m.Attachments))
}

// render writes the mail with go-mail, using only what go-mail writes in a
// fixed order: no preformatted headers, and one multipart level with one
// boundary.
func render(m job.Mail, a addresses) ([]byte, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(boundary(m)))
	a.apply(message)
	message.Subject(m.Subject)
	message.SetDateWithValue(m.Date.UTC())
	domain := idDomain(a.from)
	message.SetMessageIDWithValue(m.ID + "@" + domain)
	if m.Thread != "" {
		thread := "<" + m.Thread + "@" + domain + ">"
		message.SetGenHeader(gomail.HeaderInReplyTo, thread)
		message.SetGenHeader(gomail.HeaderReferences, thread)
	}
	if m.List != "" {
		message.SetGenHeader("List-Id", "<"+m.List+"."+domain+">")
	}
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetGenHeader("X-Auto-Response-Suppress", "All")
	for name, value := range m.Headers { // go-mail sorts them by name
		message.SetGenHeader(gomail.Header(textproto.CanonicalMIMEHeaderKey(name)), value)
	}
	setBody(message, m)
	var rendered bytes.Buffer
	if _, err := message.WriteTo(&rendered); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	whole, err := addAttachments(dropBlankLines(rendered.Bytes()), m)
	return whole, cmp.Or(err, validateLines(whole))
}

// setBody puts the HTML after the plain text, as the preferred alternative (RFC
// 2046, 5.1.4).
func setBody(message *gomail.Msg, m job.Mail) {
	if m.Text == "" && m.HTML != "" {
		message.SetBodyString(gomail.TypeTextHTML, m.HTML)
		return
	}
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
}

// boundary derives the boundary from the content, so that it is the same at
// each attempt and cannot occur in the content.
func boundary(m job.Mail) string { return "part-" + job.DeriveID("boundary", m.ID, m.Text, m.HTML) }

// maxLine is the longest line that each relay must accept, RFC 5322, 2.1.1.
const maxLine = 998

// validateLines refuses lines that a relay on the way may cut. Bodies are
// encoded in short lines, but a header without blanks cannot be folded.
func validateLines(rendered []byte) error {
	for line := range bytes.SplitSeq(rendered, []byte("\r\n")) {
		if len(line) > maxLine {
			return fmt.Errorf("header: found a line of %d octets, expected at most %d: %.40q…", len(line), maxLine, line)
		}
	}
	return nil
}

const (
	// maxHeaders and maxHeaderLength bound the custom headers in a job.
	maxHeaders      = 50
	maxHeaderLength = 500
)

// reservedHeaders are set by this package or by the servers on the way.
func reservedHeaders() []string {
	return []string{
		"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "return-path",
		"received", "delivered-to", "mime-version", "dkim-signature", "auto-submitted", "x-auto-response-suppress",
	}
}

// validateHeaders refuses names and values that would break the header (RFC
// 5322, 2.2: a name is printable ASCII without a colon), and names that differ
// in case alone, since it is undefined whose value counts.
func validateHeaders(m job.Mail) error {
	headers := m.Headers
	var p problems
	p.require(len(headers) <= maxHeaders, "headers: found %d, expected at most %d", len(headers), maxHeaders)
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, lower := headers[name], strings.ToLower(name)
		switch {
		case seen[lower]:
			p.require(false, "headers: found %s twice", name)
		case name == "" || strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) >= 0:
			p.require(false, "headers: found the name %q, expected printable ASCII without a colon", name)
		case lower == "list-id" && m.List != "":
			p.require(false, "list: found the header List-Id too, expected only one")
		case slices.Contains(reservedHeaders(), lower) || strings.HasPrefix(lower, "content-"):
			p.require(false, "headers: found %s, which cannot be set", name)
		case strings.ContainsAny(value, "\r\n\x00") || len(value) > maxHeaderLength:
			p.require(false, "headers: %s: found %.40q, expected one line of at most %d bytes", name, value, maxHeaderLength)
		}
		seen[lower] = true
	}
	return errors.Join(p...)
}

// dropBlankLines removes header lines that contain only blanks. go-mail folds
// long runs of blanks into such lines, but they are forbidden (RFC 5322,
// 3.2.2), because some readers take them for the end of the header. Only blanks
// are lost.
func dropBlankLines(rendered []byte) []byte {
	header, body, ok := bytes.Cut(rendered, []byte("\r\n\r\n"))
	if !ok {
		return rendered
	}
	lines := bytes.Split(header, []byte("\r\n"))
	if !slices.ContainsFunc(lines, isBlankLine) {
		return rendered
	}
	lines = slices.DeleteFunc(lines, isBlankLine)
	return slices.Concat(bytes.Join(lines, []byte("\r\n")), []byte("\r\n\r\n"), body)
}

func isBlankLine(line []byte) bool { return len(bytes.Trim(line, " \t")) == 0 }
