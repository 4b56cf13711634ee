package notify

import (
	"cmp"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Directory knows who is behind the names of recipients, how their mails are grouped
// and in which zone they live. It is safe for concurrent use; its zero value is
// empty.
type Directory struct {
	mu         sync.RWMutex
	recipients map[string]job.Recipient
	settings   job.Settings
}

// Set takes in a recipient or its change.
func (b *Directory) Set(r job.Recipient) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.recipients == nil {
		b.recipients = map[string]job.Recipient{}
	}
	r.Addresses = slices.Clone(r.Addresses)
	b.recipients[r.Name] = r
}

// Remove takes in the removal of a recipient.
func (b *Directory) Remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.recipients, name)
}

// SetSettings takes in the installation's settings.
func (b *Directory) SetSettings(s job.Settings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settings = s
}

// Operators are the names of those who hear of the installation itself.
func (b *Directory) Operators() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Clone(b.settings.Operators)
}

// Addressee is an address, and the recipient that leads to it.
type Addressee struct{ Address, Recipient string }

// Addressees returns the addresses behind names, each once however many names
// lead to it and however it is written, in a fixed order. Names that lead
// nowhere are returned too.
func (b *Directory) Addressees(names []string) (readers []Addressee, unknown []string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	seen := map[string]bool{}
	for _, name := range names {
		found, ok := b.recipients[name]
		if !ok {
			unknown = append(unknown, name)
		}
		for _, address := range found.Addresses {
			if key := AddressKey(address); !seen[key] {
				seen[key] = true
				readers = append(readers, Addressee{Address: address, Recipient: name})
			}
		}
	}
	slices.SortFunc(readers, func(a, b Addressee) int {
		return cmp.Or(cmp.Compare(AddressKey(a.Address), AddressKey(b.Address)), cmp.Compare(a.Address, b.Address))
	})
	return readers, unknown
}

// Addresses returns the addresses of [.Readers].
func (b *Directory) Addresses(names []string) (addresses, unknown []string) {
	readers, unknown := b.Addressees(names)
	for _, r := range readers {
		addresses = append(addresses, r.Address)
	}
	return addresses, unknown
}

// Reaches tells whether an address is behind one of the names.
func (b *Directory) Reaches(address string, names []string) bool {
	readers, _ := b.Addressees(names)
	return slices.ContainsFunc(readers, func(r Addressee) bool { return AddressKey(r.Address) == AddressKey(address) })
}

// Grouping is how the mails of a recipient are grouped.
func (b *Directory) Grouping(recipient string) job.Grouping {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if own := b.recipients[recipient].Grouping; own != nil {
		return *own
	}
	if b.settings.Grouping != nil {
		return *b.settings.Grouping
	}
	return job.DefaultGrouping()
}

// TimeZone is where a recipient lives; UTC when that is not known.
func (b *Directory) TimeZone(recipient string) *time.Location {
	b.mu.RLock()
	defer b.mu.RUnlock()
	zone, err := time.LoadLocation(b.recipients[recipient].TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// AddressKey is the same for all ways to write an address: without the name
// beside it, and in lower case.
func AddressKey(address string) string {
	if parsed, err := mail.ParseAddress(address); err == nil {
		address = parsed.Address
	}
	return strings.ToLower(address)
}

// GroupOf is what the monitor of an incident has in common with those whose
// news go with its own, in words.
func GroupOf(by []string, incident *job.Incident) []string {
	var group []string
	for _, key := range by {
		switch label, isLabel := strings.CutPrefix(key, job.GroupByLabel); {
		case isLabel:
			group = append(group, label+"="+incident.Labels[label])
		case key == job.GroupByMonitor:
			group = append(group, "monitor="+incident.Monitor)
		case key == job.GroupByGroup:
			group = append(group, "group="+incident.Group)
		case key == job.GroupByLocation:
			group = append(group, "location="+cmp.Or(incident.Location, job.DefaultLocation))
		}
	}
	return group
}
