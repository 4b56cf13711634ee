// Package notify decides which address is notified about which change of a
// monitor, when, and in which words.
//
// Each pair of address and monitor has a log of what the address was notified
// about. A look ([Notifier.Receive] at an event, [Notifier.Reconcile] after a
// change of definitions) compares it with what holds now, and records what is
// outstanding. A notification group, one for each address and group of monitors,
// decides when the next mail is due and what it says ([Plan]). These are pure
// functions on values in a store that all processes share. [Notifier] carries them
// out; after a crash another process continues and writes the same mails.
// [Explainer] asks the same functions what holds a notification back.
package notify

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Config configures a [Notifier]. All fields except Now and Logger are required.
type Config struct {
	Store      Store
	Outbox     Outbox
	Deliveries Deliveries
	Timers     Timers
	Renderer   *Renderer
	// Lookup finds definitions and states.
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

	mu       sync.Mutex
	received map[string]int // by monitor, the sequence of the last state received
}

// New returns a notifier without recipients. The error names what is missing in
// the configuration.
func New(config Config) (*Notifier, error) {
	if config.Store == nil || config.Outbox == nil || config.Deliveries == nil || config.Timers == nil || config.Renderer == nil || config.Lookup == nil {
		return nil, errors.New("create notifier: expected a store, an outbox, deliveries, timers, a renderer and a lookup")
	}
	return &Notifier{decider: newDecider(config, &Directory{}, &Mutes{}), received: map[string]int{}}, nil
}

// Directory returns the recipients, for their owner to keep up to date.
func (n *Notifier) Directory() *Directory { return n.directory }

// Mutes returns the silences and maintenance windows, for their owner to keep up
// to date.
func (n *Notifier) Mutes() *Mutes { return n.mutes }

// Index returns the index of the notification logs, for their owner to keep up to
// date. [Notifier.Flush] and [Notifier.Receive] need it complete.
func (n *Notifier) Index() *Index { return n.logs.index }

// decider gathers the input for decisions. [Notifier] carries the decisions out,
// [Explainer] shows them.
type decider struct {
	logs      logStore
	directory *Directory
	mutes     *Mutes
	config    Config
}

func newDecider(config Config, directory *Directory, mutes *Mutes) decider {
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	return decider{logs: logStore{store: config.Store, index: NewIndex()}, directory: directory, mutes: mutes, config: config}
}

// input is the input for a decision about a group.
func (d *decider) input(group *job.NotificationGroup, logs []job.NotificationLog, parent func(*job.Notified) Mute) Input {
	return Input{
		Now: d.config.Now(), Group: *group, Logs: logs, Grouping: d.directory.Grouping(group.Recipient), Parent: parent,
		Mute: func(incident *job.Incident) Mute { return d.mutes.Active(incident, d.config.Now()) },
	}
}

// parent returns the mutes by parents for one decision about mails to an
// address.
func (d *decider) parent(ctx context.Context, address string) func(*job.Notified) Mute {
	p := &parents{decider: d, ctx: ctx, address: address, known: map[string]parent{}}
	return p.mute
}
