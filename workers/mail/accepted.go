package mail

import (
	"sync"

	"vedette/pipeline/job"
)

// Accepted remembers the mails that a relay has accepted and that are not recorded
// as sent yet. While nothing can be stored, their jobs cannot be settled either, so
// that they are delivered again: then only the record is missing, and the mail must
// not be sent a second time. It is safe for concurrent use; its zero value is empty.
type Accepted struct {
	mu    sync.Mutex
	mails map[string]job.Delivery
	order []string // the ids, oldest first, some of them recorded by now
}

// maxAccepted bounds the mails that are remembered: many more than are sent at
// once. Mails to enqueue run out soon while nothing can be stored.
const maxAccepted = 10_000

// add remembers a mail.
func (a *Accepted) add(d job.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mails == nil {
		a.mails = map[string]job.Delivery{}
	}
	a.mails[d.ID] = d
	a.order = append(a.order, d.ID)
	for len(a.order) > maxAccepted {
		delete(a.mails, a.order[0])
		a.order = a.order[1:]
	}
}

// recorded forgets a mail.
func (a *Accepted) recorded(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.mails, id)
	if len(a.mails) == 0 {
		a.order = nil
	}
}

// find returns a mail that is not recorded.
func (a *Accepted) find(id string) (job.Delivery, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, found := a.mails[id]
	return d, found
}
