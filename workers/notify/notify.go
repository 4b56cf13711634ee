// Package notify says who is told of a transition, and in which words.
//
// What it makes of an event is a pure function of the event and the
// recipients: the same mails, with the same ids and the same bytes, however
// often and by whomever they are derived. That is what lets a notifier crash
// at any point and simply begin again.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vedette/pipeline/job"
)

// Outbox takes mails to be sent. Taking one whose id it has taken before is no
// error, and sends nothing again.
type Outbox interface {
	Enqueue(ctx context.Context, m job.Mail) error
}

// Config says what a notifier works with.
type Config struct {
	Outbox Outbox
	// MaxAge is how old a transition may be and still be announced. Outboxes
	// forget ids after two days, so an old one that is read again, when a
	// stream is replayed, must not be. Defaults to 24h.
	MaxAge time.Duration
	// Now defaults to time.Now.
	Now func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Notifier turns transitions into mails. It is safe for concurrent use.
type Notifier struct {
	config Config
	words  *words
	book   Book
	handed *recent
}

const (
	defaultMaxAge = 24 * time.Hour
	maxHanded     = 100_000 // events; beyond it the outbox alone knows
)

// New makes a notifier without recipients. The error says what of the
// configuration is missing.
func New(config Config) (*Notifier, error) {
	if config.Outbox == nil {
		return nil, errors.New("make notifier: found no outbox")
	}
	if config.MaxAge == 0 {
		config.MaxAge = defaultMaxAge
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	parsed, err := newWords()
	if err != nil {
		return nil, fmt.Errorf("make notifier: %w", err)
	}
	return &Notifier{config: config, words: parsed, handed: newRecent(maxHanded)}, nil
}

// Recipients are who is told; whoever learns of a change tells them.
func (n *Notifier) Recipients() *Book { return &n.book }

// Handle announces the transitions that a state remembers. All of them, not
// only the last: whoever reads the states may have missed a write. When it
// returns nil, every mail is in the outbox; after an error the state is to be
// handled again.
func (n *Notifier) Handle(ctx context.Context, state job.State) error {
	for i := range state.Events {
		if err := n.announce(ctx, &state.Events[i]); err != nil {
			return fmt.Errorf("announce %s: %w", state.Events[i].ID, err)
		}
	}
	return nil
}

func (n *Notifier) announce(ctx context.Context, event *job.Event) error {
	if n.handed.has(event.ID) {
		return nil
	}
	if age := n.config.Now().Sub(event.At); age > n.config.MaxAge {
		n.config.Logger.WarnContext(ctx, "transition is too old to be announced", "event", event.ID, "monitor", event.Incident.Monitor, "age", age)
		n.handed.add(event.ID)
		return nil
	}
	addresses, unknown := n.book.Resolve(event.Incident.Notify)
	for _, name := range unknown {
		n.config.Logger.ErrorContext(ctx, "recipient is not defined; nobody is told in its place", "recipient", name, "event", event.ID)
	}
	for _, address := range addresses {
		mail, err := n.words.mail(event, address)
		if err != nil {
			return err
		}
		if err := n.config.Outbox.Enqueue(ctx, mail); err != nil {
			return err
		}
	}
	if len(unknown) == 0 { // else whoever is defined by the next time is told then
		n.handed.add(event.ID)
	}
	return nil
}
