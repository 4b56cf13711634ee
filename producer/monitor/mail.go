package monitor

import (
	netmail "net/mail"
	"path"
	"strings"
	"time"
)

func (r *reader) readMail(root mapping) Mail {
	v, ok := section(root, "mail")
	if !ok {
		return Mail{}
	}
	m, ok := r.mapping(v, "fields such as from and relays", "from", "relays", "give_up_after", "allow_from", "allow_recipients",
		"recipient_per_minute", "dkim")
	if !ok {
		return Mail{}
	}
	var mail Mail
	if list, ok := m.get("relays"); ok {
		items, _ := r.list(list, "a list of relays", false)
		for _, item := range items {
			mail.Relays = append(mail.Relays, r.relay(item))
		}
	}
	if v, ok := m.get("give_up_after"); ok {
		mail.GiveUpAfter = r.giveUpAfter(v)
	}
	mail.AllowFrom = r.addressPatterns(m, "allow_from")
	mail.AllowRecipients = r.addressPatterns(m, "allow_recipients")
	if v, ok := m.get("recipient_per_minute"); ok {
		mail.RecipientPerMinute, _ = r.integer(v, 1, maxNumber)
	}
	const sender = "a sender such as Vedette <vedette@example.org>"
	from, ok := m.get("from")
	switch {
	case ok:
		mail.From, _ = r.address(from, sender)
	case len(mail.Relays) > 0:
		r.report(from, "no from", sender, "")
	}
	if v, ok := m.get("dkim"); ok {
		mail.DKIM = r.dkim(v, mail.From)
	}
	return mail
}

// addressPatterns reads patterns of addresses.
func (r *reader) addressPatterns(m mapping, key string) []string {
	const expected = "an address, or a pattern such as *@example.org"
	v, ok := m.get(key)
	if !ok {
		return nil
	}
	items, ok := r.list(v, expected+", or a list of them", true)
	if !ok {
		return nil
	}
	if len(items) == 0 {
		r.report(v, "an empty list", "at least one pattern", "leave it out to allow all")
	}
	var patterns []string
	for _, item := range items {
		text, ok := r.filled(item, expected)
		if _, err := path.Match(text, ""); ok && (err != nil || !strings.Contains(text, "@")) {
			r.wrong(item, expected)
		}
		patterns = append(patterns, text)
	}
	return patterns
}

// maxGiveUp is the longest that mails may be tried: what was sent is remembered
// for two days.
const maxGiveUp = 24 * time.Hour

func (r *reader) giveUpAfter(v value) time.Duration {
	d, ok := r.duration(v)
	if ok && (d < time.Minute || d > maxGiveUp) {
		r.report(v, v.written(), "a duration from 1m to "+show(maxGiveUp), "")
	}
	return d
}

// dkim reads what signs mails; sender is who sends them.
func (r *reader) dkim(v value, sender string) *DKIM {
	m, ok := r.mapping(v, "a key such as {selector: v1, key_file: dkim.pem}", "domain", "selector", "key_file")
	if !ok {
		return nil
	}
	var d DKIM
	if address, err := netmail.ParseAddress(sender); err == nil {
		d.Domain = address.Address[strings.LastIndexByte(address.Address, '@')+1:]
	}
	if v, ok := m.get("domain"); ok {
		d.Domain = r.dnsName(v, "a domain such as example.org")
	}
	const aSelector = "a selector such as v1"
	if v, ok := r.required(m, "selector", aSelector); ok {
		d.Selector = r.dnsName(v, aSelector)
	}
	const aKey = "the path of a file that holds a private key, RSA or Ed25519, as PEM"
	if v, ok := r.required(m, "key_file", aKey); ok {
		text, read := r.contents(v, aKey)
		d.Key = Secret(text)
		if read && r.options.CheckDKIMKey != nil {
			if err := r.options.CheckDKIMKey(text); err != nil {
				r.report(v, v.describe()+" ("+err.Error()+")", aKey, "openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out dkim.pem makes one")
			}
		}
	}
	return &d
}

// dnsName reads a name of the DNS, or a part of one.
func (r *reader) dnsName(v value, expected string) string {
	name, ok := r.filled(v, expected)
	if ok && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		r.wrong(v, expected)
	}
	return name
}
