// Package notify says who is told of what happens to monitors, when, and in
// which words.
//
// What happened is taken into accounts, one for each address and monitor:
// what the address was told, and what it is owed ([]). A mailing, one for
// each address and group, decides when the next mail goes and what it tells
// ([Plan]). Both are pure functions of values that stand in a store which
// processes share; [Notifier] carries them out, so that whoever comes after a
// crash goes on where the other was, and makes the same mails.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// ErrConflict is what a [Store] returns for a key that somebody else wrote since
// it was read.
var ErrConflict = errors.New("key was changed meanwhile")

// Entry is what a [Store] holds under a key. Its revision is zero when it holds
// nothing.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
}

// Store holds the ledger, under keys of tokens with dots between.
type Store interface {
	// Load returns the keys that match a filter, in which a token may be "*" for
	// any, and the last one ">" for any number.
	Load(ctx context.Context, filter string) ([]Entry, error)
	// Get reads a key. One that holds nothing is no error.
	Get(ctx context.Context, key string) (Entry, error)
	// Swap writes a key if its revision is still the given one, and returns the
	// new one; else the error is [ErrConflict].
	Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
}

// Outbox takes mails to be sent. Taking one whose id it has taken before is no
// error, and sends nothing again.
type Outbox interface {
	Enqueue(ctx context.Context, m job.Mail, operators bool) error
}

// Deliveries knows what became of mails.
type Deliveries interface {
	// Delivery tells what is known of a mail, and whether anything is.
	Delivery(ctx context.Context, id string) (job.Delivery, bool, error)
	// withdraw takes a mail back, unless it has left or may have, and tells what
	// is known of it now.
	Withdraw(ctx context.Context, id string, at time.Time) (job.Delivery, error)
}

// Timers wake whoever lives at a time.
type Timers interface {
	// SetTimer has [Notifier.Due] or [Notifier.Sweep] called with the id at a
	// time, or soon when it has passed. Setting it again moves it.
	SetTimer(ctx context.Context, what, id string, at time.Time) error
}

// What timers are for.
const (
	TimerFlush = "flush"
	TimerSweep = "sweep"
)

// Config says what a notifier works with. All but Parent, Now and Logger must
// be set.
type Config struct {
	Store      Store
	Outbox     Outbox
	Deliveries Deliveries
	Timers     Timers
	Renderer   *Renderer
	// Parent returns, for one decision about the mails to an address, what says
	// whether something that a monitor depends on is down. Nil knows no
	// dependencies.
	Parent func(ctx context.Context, n *Notifier, address string) func(*job.Notified) Mute
	// Now defaults to time.Now.
	Now func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Notifier turns transitions into mails. It is safe for concurrent use, and any
// number of them may work on one store.
type Notifier struct {
	config    Config
	ledger    *ledger
	directory Directory
	mutes     Mutes

	mu    sync.Mutex
	taken map[string]int // by monitor, the sequence of the last state that was taken in
}

// New makes a notifier that knows no recipients. The error says what of the
// configuration is missing.
func New(config Config) (*Notifier, error) {
	if config.Store == nil || config.Outbox == nil || config.Deliveries == nil || config.Timers == nil || config.Renderer == nil {
		return nil, errors.New("make notifier: found no store, outbox, sent ledger, timers or words, expected all of them")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Notifier{config: config, ledger: &ledger{store: config.Store}, taken: map[string]int{}}, nil
}

// Directory are the recipients; whoever learns of a change tells it.
func (n *Notifier) Directory() *Directory { return &n.directory }

// Mutes are the silences and maintenance windows; whoever learns of a change
// tells it.
func (n *Notifier) Mutes() *Mutes { return &n.mutes }

func (n *Notifier) parent(ctx context.Context, address string) func(*job.Notified) Mute {
	if n.config.Parent == nil {
		return nil
	}
	return n.config.Parent(ctx, n, address)
}
