package mail

import (
	"bytes"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"vedette/pipeline/job"
)

// ErrInvalid is wrapped by every error of [Build]: the mail can never be sent
// as it is, by no relay and at no time.
var ErrInvalid = errors.New("mail is invalid")

// Defaults are what a job may leave to its environment.
type Defaults struct {
	// From is the installation's sender: one address, RFC 5322, with or
	// without a display name.
	From string
	// Stored is when the job was stored, which is the same at each attempt. It
	// dates a mail without a date, and signatures.
	Stored time.Time
	// DKIM signs mails of its domain; nil signs none.
	DKIM *DKIM
}

// Message is a mail that is ready to be sent.
type Message struct {
	// From and To are the addresses of the envelope, as they stand between the
	// angle brackets of MAIL and RCPT (RFC 5321, 4.1.2).
	From, To string
	// ID is the Message-ID without its angle brackets.
	ID string
	// Date is the mail's date, in UTC.
	Date time.Time
	// Bytes are the header and the body with CRLF line ends and no line over
	// 998 octets, not yet dot-stuffed.
	Bytes []byte
}

// UTF8 reports whether the mail needs SMTPUTF8 (RFC 6531): it does when an
// address is not ASCII, of the envelope or shown in the header. A name or
// subject that is not ASCII is encoded, and needs nothing.
func (m Message) UTF8() bool {
	header, _, _ := bytes.Cut(m.Bytes, []byte("\r\n\r\n"))
	return !isASCII(m.From) || !isASCII(m.To) || !isASCII(string(header))
}

// Build renders a mail. The result is a function of its arguments, byte for
// byte; the error wraps [ErrInvalid] and names the field.
//
// The mail says that a program wrote it (Auto-Submitted, RFC 3834, and
// X-Auto-Response-Suppress for Exchange), so that no absence notice answers.
// Mails of one thread refer to the same Message-ID, that of a mail which never
// was: so they are grouped whichever of them arrives first (RFC 5322, 3.6.4).
func Build(m job.Mail, defaults Defaults) (Message, error) {
	message, err := build(m, defaults)
	if err != nil {
		return Message{}, fmt.Errorf("build mail: %w: %w", ErrInvalid, err)
	}
	return message, nil
}

func build(m job.Mail, defaults Defaults) (Message, error) {
	if m.From == "" {
		m.From = defaults.From
	}
	if m.Date.IsZero() {
		m.Date = defaults.Stored
	}
	if err := validateFields(m); err != nil {
		return Message{}, err
	}
	from, err := parseAddress("from", m.From)
	if err != nil {
		return Message{}, err
	}
	to, err := parseAddress("to", m.To)
	if err != nil {
		return Message{}, err
	}
	domain := idDomain(from)
	others, err := parseShownAddresses(m)
	if err != nil {
		return Message{}, err
	}
	rendered, err := render(m, from, to, others, domain)
	if err == nil && defaults.DKIM != nil && defaults.DKIM.signs(from) {
		rendered, err = defaults.DKIM.sign(rendered, defaults.Stored)
	}
	if err != nil {
		return Message{}, err
	}
	return Message{From: envelope(from), To: envelope(to), ID: m.ID + "@" + domain, Date: m.Date.UTC(), Bytes: rendered}, nil
}

// validateFields refuses what must not get into a header: a line end there would
// begin a header of the writer's choice.
func validateFields(m job.Mail) error {
	for _, field := range []struct{ name, value string }{{"from", m.From}, {"to", m.To}, {"subject", m.Subject}} {
		if strings.ContainsAny(field.value, "\r\n\x00") {
			return fmt.Errorf("%s: found a line end or a zero in %q, expected one line", field.name, field.value)
		}
	}
	if !job.ValidName(m.ID) {
		return fmt.Errorf("id: found %q, expected letters, digits, _, - and single dots", m.ID)
	}
	if m.Thread != "" && !job.ValidName(m.Thread) {
		return fmt.Errorf("thread: found %q, expected letters, digits, _, - and single dots", m.Thread)
	}
	if m.Date.IsZero() {
		return errors.New("date: found none, and no time at which the job was stored")
	}
	return errors.Join(validateList(m), validateHeaders(m.Headers), validateAttachments(m.Attachments))
}

func validateList(m job.Mail) error {
	if m.List == "" {
		return nil
	}
	if !job.ValidName(m.List) {
		return fmt.Errorf("list: found %q, expected letters, digits, _, - and single dots", m.List)
	}
	for name := range m.Headers {
		if strings.EqualFold(name, "List-Id") {
			return errors.New("list: found the header List-Id too, expected one of them")
		}
	}
	return nil
}

func parseAddress(field, value string) (*netmail.Address, error) {
	address, err := netmail.ParseAddress(value)
	if err != nil {
		return nil, fmt.Errorf("%s: found %q, expected one address such as ops@example.org: %w", field, value, err)
	}
	// A quoted local part may hold anything, once unquoted: also what ends a
	// command or the brackets around the address.
	if strings.ContainsAny(address.Address, "\r\n\x00<>") {
		return nil, fmt.Errorf("%s: found %q, expected an address without line ends and angle brackets", field, value)
	}
	return address, nil
}

// envelope writes an address without its name, its local part quoted where
// that is needed.
func envelope(address *netmail.Address) string {
	bare := netmail.Address{Address: address.Address}
	return strings.TrimSuffix(strings.TrimPrefix(bare.String(), "<"), ">")
}

// idDomain is the right side of Message-IDs: the sender's domain. A Message-ID
// must be ASCII unless the whole way takes UTF-8; the reserved name (RFC 2606)
// stands in for a domain that is not.
func idDomain(from *netmail.Address) string {
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	if !isASCII(domain) {
		return "vedette.invalid"
	}
	return domain
}

// render has go-mail write the mail. Only what it writes in a fixed order is
// used: no preformatted headers, and one multipart level with one boundary.
func render(m job.Mail, from, to *netmail.Address, others shownAddresses, domain string) ([]byte, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(boundary(m)))
	message.FromMailAddress(from)
	message.ToMailAddress(to)
	others.apply(message)
	message.Subject(m.Subject)
	message.SetDateWithValue(m.Date.UTC())
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
	for name, value := range m.Headers { // written in the order of their names
		message.SetGenHeader(gomail.Header(textproto.CanonicalMIMEHeaderKey(name)), value)
	}
	setBody(message, m)
	var rendered bytes.Buffer
	if _, err := message.WriteTo(&rendered); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	whole, err := addAttachments(dropBlankLines(rendered.Bytes()), m)
	if err != nil {
		return nil, err
	}
	return whole, validateLines(whole)
}

// setBody puts the plain text first and the HTML last, as the better form of
// the same (RFC 2046, 5.1.4).
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

// boundary is a function of the content, so that the mail is the same each
// time and no content can hold its own boundary.
func boundary(m job.Mail) string { return "part-" + job.DeriveID("boundary", m.ID, m.Text, m.HTML) }

// maxLine is the longest line that a relay must take, RFC 5322, 2.1.1.
const maxLine = 998

// validateLines refuses lines that some relay on the way would cut. Bodies are
// encoded in short lines; a header can be long if it has no blank.
func validateLines(rendered []byte) error {
	for line := range bytes.SplitSeq(rendered, []byte("\r\n")) {
		if len(line) > maxLine {
			return fmt.Errorf("header: found a line of %d octets, expected at most %d: %.40q…", len(line), maxLine, line)
		}
	}
	return nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
