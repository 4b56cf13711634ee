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

// addresses are the parsed addresses in a mail. The header shows shownTo in place
// of the recipient, if there is any.
type addresses struct {
	from, to             *netmail.Address
	shownTo, cc, replyTo []*netmail.Address
}

// parseAddresses parses all addresses. The error names the field.
func parseAddresses(m job.Mail) (a addresses, err error) {
	if a.from, err = parseAddress("from", m.From); err != nil {
		return a, err
	}
	if a.to, err = parseAddress("to", m.To); err != nil {
		return a, err
	}
	if a.shownTo, err = parseList("shown_to", m.ShownTo); err != nil {
		return a, err
	}
	if a.cc, err = parseList("cc", m.CC); err != nil {
		return a, err
	}
	if m.ReplyTo != "" {
		a.replyTo, err = parseList("reply_to", []string{m.ReplyTo})
	}
	return a, err
}

func parseList(field string, values []string) ([]*netmail.Address, error) {
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
func (a *addresses) apply(message *gomail.Msg) {
	message.FromMailAddress(a.from)
	message.ToMailAddress(a.to)
	if len(a.shownTo) > 0 {
		message.ToMailAddress(a.shownTo...)
	}
	if len(a.cc) > 0 {
		message.CcMailAddress(a.cc...)
	}
	if len(a.replyTo) > 0 {
		message.ReplyToMailAddress(a.replyTo[0])
	}
}
