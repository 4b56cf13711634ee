package monitor

import (
	netmail "net/mail"
	"path"
	"strings"
	"time"
)

// Mail is the section mail.
type Mail struct {
	// From is the sender, RFC 5322; it is set if there are relays.
	From string
	// Relays are tried in this order. Without any, mails go to a Maildir.
	Relays []Relay
	// GiveUpAfter is how long a mail is tried; zero if the file does not set it.
	GiveUpAfter time.Duration
	// AllowFrom and AllowRecipients are address patterns for ad-hoc mails, such as
	// *@example.org; empty means any.
	AllowFrom, AllowRecipients []string
	// RecipientPerMinute limits the mails to one address; zero if the file does not
	// set it.
	RecipientPerMinute int
	// DKIM signs mails unless it is nil.
	DKIM *DKIM
}

// DKIM is a key that signs mails. Its public half is in the DNS under the selector.
type DKIM struct {
	// Domain is the domain in From by default.
	Domain, Selector string
	// Key is the private key as PEM.
	Key Secret
}

// mailReader reads the section mail.
type mailReader struct{ *reader }

func (r mailReader) readMail(root mapping) Mail {
	m, ok := r.sectionMapping(root, "mail", "fields such as from and relays")
	if !ok {
		return Mail{}
	}
	var mail Mail
	if list, ok := m.get("relays"); ok {
		items, _ := r.list(list, "a list of relays", false)
		for _, item := range items {
			mail.Relays = append(mail.Relays, r.readRelay(item))
		}
	}
	if v, ok := m.get("give_up_after"); ok {
		mail.GiveUpAfter = r.giveUpAfter(v)
	}
	mail.AllowFrom = r.addressPatterns(m, "allow_from")
	mail.AllowRecipients = r.addressPatterns(m, "allow_recipients")
	r.setInteger(m, "recipient_per_minute", maxNumber, &mail.RecipientPerMinute)
	const sender = "a sender such as Vedette <vedette@example.org>"
	from, ok := m.get("from")
	switch {
	case ok:
		mail.From, _ = recipientReader(r).address(from, sender)
	case len(mail.Relays) > 0:
		r.report(from, "no from", sender, "")
	}
	if v, ok := m.get("dkim"); ok {
		mail.DKIM = r.readDKIM(v, mail.From)
	}
	return mail
}

// addressPatterns reads address patterns.
func (r mailReader) addressPatterns(m mapping, key string) []string {
	r.notEmpty(m, key, "at least one pattern", "leave it out to allow all")
	return r.texts(m, key, "an address, or a pattern such as *@example.org", func(text string) bool {
		_, err := path.Match(text, "")
		return err == nil && strings.Contains(text, "@")
	})
}

// maxGiveUp limits give_up_after: deliveries are remembered for two days.
const maxGiveUp = 24 * time.Hour

func (r mailReader) giveUpAfter(v value) time.Duration {
	d, ok := r.duration(v)
	if ok && (d < time.Minute || d > maxGiveUp) {
		r.report(v, v.written(), "a duration from 1m to "+formatDuration(maxGiveUp), "")
	}
	return d
}

// readDKIM reads the key that signs mails from the sender.
func (r mailReader) readDKIM(v value, sender string) *DKIM {
	m, ok := r.mapping(v, "a key such as {selector: v1, key_file: dkim.pem}", r.keys["mail.dkim"]...)
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
		text, read := r.fileText(v, aKey)
		d.Key = Secret(text)
		if read && r.options.CheckDKIMKey != nil {
			if err := r.options.CheckDKIMKey(text); err != nil {
				r.report(v, v.describe()+" ("+err.Error()+")", aKey, "openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out dkim.pem makes one")
			}
		}
	}
	return &d
}

// dnsName reads a DNS name, or a label.
func (r mailReader) dnsName(v value, expected string) string {
	name, ok := r.nonEmpty(v, expected)
	if ok && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		r.reject(v, expected)
	}
	return name
}
