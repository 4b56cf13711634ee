package mail

import (
	"fmt"
	netmail "net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"vedette/pipeline/job"
)

func parseAddress(field, value string) (*netmail.Address, error) {
	address, err := netmail.ParseAddress(value)
	if err != nil {
		return nil, fmt.Errorf("%s: found %q, expected one address such as ops@example.org: %w", field, value, err)
	}
	// A quoted local part may contain anything, such as the end of a command or
	// the bracket after the address.
	if strings.ContainsAny(address.Address, "\r\n\x00<>") {
		return nil, fmt.Errorf("%s: found %q, expected an address without line ends and angle brackets", field, value)
	}
	return address, nil
}

// envelope formats an address without its display name, with the local part
// quoted if necessary.
func envelope(address *netmail.Address) string {
	bare := netmail.Address{Address: address.Address}
	return strings.TrimSuffix(strings.TrimPrefix(bare.String(), "<"), ">")
}

// idDomain is the right side of Message-IDs: the sender's domain. A Message-ID
// must be ASCII, so a reserved name (RFC 2606) replaces any other domain.
func idDomain(from *netmail.Address) string {
	domain := from.Address[strings.LastIndexByte(from.Address, '@')+1:]
	if !isASCII(domain) {
		return "vedette.invalid"
	}
	return domain
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// shownAddresses are the addresses in the header other than the sender and the
// recipient.
type shownAddresses struct {
	to, cc  []*netmail.Address
	replyTo *netmail.Address
}

// parseShownAddresses parses the fields shown_to, cc and reply_to. The error
// names the field.
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
			return nil, fmt.Errorf("%s: found a line end or a NUL in %q, expected one line", field, value)
		}
		address, err := parseAddress(field, value)
		if err != nil {
			return nil, err
		}
		all = append(all, address)
	}
	return all, nil
}

// apply sets the addresses in a mail.
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
