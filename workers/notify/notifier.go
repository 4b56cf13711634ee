// Package notify decides which address is notified about which change of a
// monitor, when, and in which words.
//
// Events are received into logs, one for each address and monitor: what the
// address was notified about, and what is outstanding ([Notifier.Receive]). A
// notification group, one for each address and group of monitors, decides when
// the next mail is due and what it says ([Plan]). Both are pure functions on
// values in a store that all processes share. [Notifier] carries them out; after
// a crash another process continues and writes the same mails. [Explainer] asks
// the same functions what holds a notification back.
package notify

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Config configures a [Notifier]. All fields except Lookup, Now and Logger are
// required.
type Config struct {
	Store      Store
	Outbox     Outbox
	Deliveries Deliveries
	Timers     Timers
	Renderer   *Renderer
	// Lookup finds the monitors that others depend on. Without one,
	// dependencies are ignored.
	Lookup Lookup
	// Now defaults to time.Now.
	Now func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Notifier turns events into mails. It is safe for concurrent use, and any
// number of notifiers may share one store.
type Notifier struct {
	decider

	config Config

	mu       sync.Mutex
	received map[string]int // by monitor, the sequence of the last state received
}

// New returns a notifier without recipients. The error names what is missing in
// the configuration.
func New(config Config) (*Notifier, error) {
	if config.Store == nil || config.Outbox == nil || config.Deliveries == nil || config.Timers == nil || config.Renderer == nil {
		return nil, errors.New("create notifier: expected a store, an outbox, deliveries, timers and a renderer")
	}
	return &Notifier{decider: newDecider(config, &Directory{}, &Mutes{}), config: config, received: map[string]int{}}, nil
}

// Directory returns the recipients, for their owner to keep up to date.
func (n *Notifier) Directory() *Directory { return n.directory }

// Mutes returns the silences and maintenance windows, for their owner to keep up
// to date.
func (n *Notifier) Mutes() *Mutes { return n.mutes }
