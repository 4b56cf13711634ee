package mail

import (
	"errors"
	"fmt"
	"maps"
	netmail "net/mail"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"vedette/pipeline/job"
)

// shownAddresses are the addresses that a mail shows beside its recipient's.
type shownAddresses struct {
	to, cc  []*netmail.Address
	replyTo *netmail.Address
}

// parseShownAddresses reads them. The error names the field.
func parseShownAddresses(m job.Mail) (shownAddresses, error) {
	var o shownAddresses
	var err error
	if o.to, err = parseAddresses("shown_to", m.ShownTo); err != nil {
		return o, err
	}
	if o.cc, err = parseAddresses("cc", m.CC); err != nil {
		return o, err
	}
	if m.ReplyTo != "" {
		all, err := parseAddresses("reply_to", []string{m.ReplyTo})
		if err != nil {
			return o, err
		}
		o.replyTo = all[0]
	}
	return o, nil
}

func parseAddresses(field string, values []string) ([]*netmail.Address, error) {
	var all []*netmail.Address
	for _, value := range values {
		if strings.ContainsAny(value, "\r\n\x00") {
			return nil, fmt.Errorf("%s: found a line end or a zero in %q, expected one line", field, value)
		}
		address, err := parseAddress(field, value)
		if err != nil {
			return nil, err
		}
		all = append(all, address)
	}
	return all, nil
}

// apply shows them in a mail.
func (o shownAddresses) apply(message *gomail.Msg) {
	if len(o.to) > 0 {
		message.ToMailAddress(o.to...)
	}
	if len(o.cc) > 0 {
		message.CcMailAddress(o.cc...)
	}
	if o.replyTo != nil {
		message.ReplyToMailAddress(o.replyTo)
	}
}

const (
	// maxHeaders and maxHeader bound what a job may add.
	maxHeaders = 50
	maxHeaderLength  = 500
)

// reservedHeaders are headers that a mail has anyway, or that say who carried it.
func reservedHeaders() []string {
	return []string{
		"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "return-path",
		"received", "delivered-to", "mime-version", "dkim-signature", "auto-submitted", "x-auto-response-suppress",
	}
}

// validateHeaders refuses names and values that would be another header, or more
// than one (RFC 5322, 2.2: a name is printable ASCII without a colon), and names
// that differ in their case alone, since nothing says whose value counts.
func validateHeaders(headers map[string]string) error {
	var problems []error
	if len(headers) > maxHeaders {
		problems = append(problems, fmt.Errorf("headers: found %d, expected at most %d", len(headers), maxHeaders))
	}
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, lower := headers[name], strings.ToLower(name)
		switch {
		case seen[lower]:
			problems = append(problems, fmt.Errorf("headers: found %s twice", name))
		case name == "" || strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) >= 0:
			problems = append(problems, fmt.Errorf("headers: found the name %q, expected printable letters without a colon", name))
		case slices.Contains(reservedHeaders(), lower) || strings.HasPrefix(lower, "content-"):
			problems = append(problems, fmt.Errorf("headers: found %s, which cannot be set", name))
		case strings.ContainsAny(value, "\r\n\x00") || len(value) > maxHeaderLength:
			problems = append(problems, fmt.Errorf("headers: %s: found %.40q, expected one line of at most %d bytes", name, value, maxHeaderLength))
		}
		seen[lower] = true
	}
	return errors.Join(problems...)
}
