package notify

import (
	"slices"
	"strings"
	"sync"

	"vedette/pipeline/job"
)

// Book knows the addresses behind the names of recipients. It is safe for
// concurrent use; its zero value is empty.
type Book struct {
	mu        sync.RWMutex
	addresses map[string][]string
}

// Set takes in a recipient or its change.
func (b *Book) Set(r job.Recipient) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.addresses == nil {
		b.addresses = map[string][]string{}
	}
	b.addresses[r.Name] = slices.Clone(r.Addresses)
}

// Remove takes in the removal of a recipient.
func (b *Book) Remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.addresses, name)
}

// Resolve returns the addresses behind names, each once however many names
// lead to it, in a fixed order. Names that lead nowhere are returned too.
func (b *Book) Resolve(names []string) (addresses, unknown []string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	seen := map[string]bool{}
	for _, name := range names {
		found, ok := b.addresses[name]
		if !ok {
			unknown = append(unknown, name)
		}
		for _, address := range found {
			if key := strings.ToLower(address); !seen[key] {
				seen[key] = true
				addresses = append(addresses, address)
			}
		}
	}
	slices.Sort(addresses)
	return addresses, unknown
}
