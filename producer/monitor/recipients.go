package monitor

import (
	"net/mail"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// recipientReader reads who is notified, about what and how often.
type recipientReader struct{ *reader }

func (r recipientReader) readRecipients(root mapping) []job.Recipient {
	r.recipients = map[string]bool{}
	v, ok := section(root, "recipients")
	if !ok {
		return nil
	}
	m, ok := r.mapping(v, "names with their addresses")
	if !ok {
		r.recipients = nil
		return nil
	}
	recipients := make([]job.Recipient, 0, len(m.fields))
	for _, f := range m.fields {
		r.checkName(m.keyOf(f), f.key)
		r.recipients[f.key] = true
		r.names = append(r.names, f.key)
		recipients = append(recipients, r.readRecipient(f.key, m.valueOf(f)))
	}
	return recipients
}

// readRecipient reads addresses, or a mapping with addresses and other keys.
func (r recipientReader) readRecipient(name string, v value) job.Recipient {
	recipient := job.Recipient{V: job.Version, Name: name}
	if !v.isMapping() {
		recipient.Addresses = r.addresses(v)
		return recipient
	}
	m, ok := r.mapping(v, "a mapping with addresses", r.keys["recipients.NAME"]...)
	if !ok {
		return recipient
	}
	if addresses, ok := r.required(m, "addresses", "an address such as ops@example.org, or a list of them"); ok {
		recipient.Addresses = r.addresses(addresses)
	}
	_, recipient.TimeZone = maintenanceReader(r).timeZone(m)
	recipient.Grouping = r.readGrouping(m, r.standard)
	return recipient
}

// addresses reads one address, or a list.
func (r recipientReader) addresses(v value) []string {
	const expected = "an address such as ops@example.org"
	items, ok := r.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.report(v, "an empty list", "at least one address", "")
	}
	addresses := make([]string, 0, len(items))
	for _, item := range items {
		if address, ok := r.address(item, expected); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// address reads an RFC 5322 address, with or without a display name.
func (r recipientReader) address(v value, expected string) (string, bool) {
	text, ok := r.nonEmpty(v, expected)
	if !ok {
		return "", false
	}
	if _, err := mail.ParseAddress(text); err != nil || strings.ContainsAny(text, "\r\n") {
		return "", r.reject(v, expected)
	}
	return text, true
}

const aName = "1 to 128 of A-Z a-z 0-9 _ - and single dots between them"

func (r *reader) checkName(at value, name string) bool {
	if job.ValidName(name) {
		return true
	}
	if at.node == nil {
		r.report(at, quote(name), aName, "")
		return false
	}
	return r.reject(at, aName)
}

// recipientNames reads one recipient name, or a list. An empty list means that no
// one is notified.
func (r recipientReader) recipientNames(m mapping, key string) (names []string, set bool) {
	items, set := r.entries(m, key, "a name of recipients")
	for _, item := range items {
		name, ok := r.readText(item, "a name of recipients")
		switch {
		case !ok:
		case slices.Contains(names, name):
			r.report(item, item.describe()+" again", "each recipient once", "")
		case r.recipients == nil || r.recipients[name]:
			names = append(names, name)
		case len(r.names) == 0:
			r.report(item, item.describe(), "a name that recipients defines", "it defines none")
		default:
			r.report(item, item.describe(), oneOf(r.names), didYouMean(name, r.names))
		}
	}
	return names, set
}
