package notify

import (
	"cmp"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Directory maps the names of recipients to their addresses, grouping and time
// zone. It is safe for concurrent use; its zero value is empty.
type Directory struct {
	mu         sync.RWMutex
	recipients map[string]job.Recipient
	settings   job.Settings
}

// Set adds or replaces a recipient.
func (d *Directory) Set(r job.Recipient) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.recipients == nil {
		d.recipients = map[string]job.Recipient{}
	}
	r.Addresses = slices.Clone(r.Addresses)
	d.recipients[r.Name] = r
}

// Remove removes a recipient.
func (d *Directory) Remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.recipients, name)
}

// Names returns the recipients' names in order.
func (d *Directory) Names() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Sorted(maps.Keys(d.recipients))
}

// SetSettings replaces the installation's settings.
func (d *Directory) SetSettings(s job.Settings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settings = s
}

// Operators returns the names of the recipients for mails about the installation
// itself.
func (d *Directory) Operators() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.settings.Operators)
}

// Addressee is an address, and a recipient that has it.
type Addressee struct{ Address, Recipient string }

// Addressees returns the addresses behind names in a fixed order, each once,
// even if several names have it or write it differently. It also returns the
// names that are not defined.
func (d *Directory) Addressees(names []string) (addressees []Addressee, unknown []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	seen := map[string]bool{}
	for _, name := range names {
		found, ok := d.recipients[name]
		if !ok {
			unknown = append(unknown, name)
		}
		for _, address := range found.Addresses {
			if key := AddressKey(address); !seen[key] {
				seen[key] = true
				addressees = append(addressees, Addressee{Address: address, Recipient: name})
			}
		}
	}
	slices.SortFunc(addressees, func(a, b Addressee) int {
		return cmp.Or(cmp.Compare(AddressKey(a.Address), AddressKey(b.Address)), cmp.Compare(a.Address, b.Address))
	})
	return addressees, unknown
}

// Addresses returns the addresses in [Directory.Addressees].
func (d *Directory) Addresses(names []string) (addresses, unknown []string) {
	addressees, unknown := d.Addressees(names)
	for _, a := range addressees {
		addresses = append(addresses, a.Address)
	}
	return addresses, unknown
}

// Reaches reports whether an address is behind one of the names.
func (d *Directory) Reaches(address string, names []string) bool {
	addressees, _ := d.Addressees(names)
	return slices.ContainsFunc(addressees, func(a Addressee) bool { return AddressKey(a.Address) == AddressKey(address) })
}

// Grouping returns how the mails to a recipient are grouped.
func (d *Directory) Grouping(recipient string) job.Grouping {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if own := d.recipients[recipient].Grouping; own != nil {
		return *own
	}
	if d.settings.Grouping != nil {
		return *d.settings.Grouping
	}
	return job.DefaultGrouping()
}

// TimeZone returns a recipient's time zone, UTC by default.
func (d *Directory) TimeZone(recipient string) *time.Location {
	d.mu.RLock()
	defer d.mu.RUnlock()
	zone, err := time.LoadLocation(d.recipients[recipient].TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// AddressKey is the same for all spellings of an address: without the display
// name, and in lower case.
func AddressKey(address string) string {
	if parsed, err := mail.ParseAddress(address); err == nil {
		address = parsed.Address
	}
	return strings.ToLower(address)
}
