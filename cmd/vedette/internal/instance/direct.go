package instance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers/mail"
	"vedette/workers/notify"
)

// directMailer sends notices to the operators without the queue of mails, which
// needs the storage that a notice may be about. It reads their addresses from the
// file, and sends by its own sessions with the relays, or into the Maildir.
type directMailer struct {
	transport func() (mail.Transport, *mail.Sender, error)

	mu        sync.Mutex
	addresses []string        // of the operators
	done      map[string]bool // by mail id; the mails of a notice that not all operators have yet
}

// setOperators takes the operators' addresses from the file.
func (d *directMailer) setOperators(file *monitor.File) {
	var directory notify.Directory
	for i := range file.Recipients {
		directory.Set(file.Recipients[i])
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addresses, _ = directory.Addresses(file.Operators) // the reader has refused unknown names
}

// send sends a notice to each operator. A call after an error sends it to those who
// have not got it. Without operators it does nothing: the log has the notice.
func (d *directMailer) send(ctx context.Context, n job.Notice) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.addresses) == 0 {
		return nil
	}
	transport, sender, err := d.transport()
	if err != nil {
		return fmt.Errorf("send notice directly: %w", err)
	}
	if sender != nil {
		defer sender.Close()
	}
	var problems []error
	for _, address := range d.addresses {
		m := notify.DigestMail(job.Digest{Pending: []job.Notice{n}, Due: n.At}, address)
		m.ID = job.DeriveID("direct", n.ID, strings.ToLower(address))
		if d.done[m.ID] {
			continue
		}
		if _, err := transport.Send(ctx, m, n.At); err != nil {
			problems = append(problems, err)
			continue
		}
		d.remember(m.ID)
	}
	if len(problems) == 0 {
		d.done = nil
	}
	return errors.Join(problems...)
}

func (d *directMailer) remember(id string) {
	if d.done == nil {
		d.done = map[string]bool{}
	}
	d.done[id] = true
}
