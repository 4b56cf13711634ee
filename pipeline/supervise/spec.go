package supervise

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Child describes one service in a supervisor.
type Child struct {
	// Name is unique among the children.
	Name    string
	Service Service
	Restart Restart
	// Significant children end their supervisor according to its AutoShutdown.
	// They cannot be permanent.
	Significant bool
	// StartTimeout declares that the service calls [Ready], and limits the time
	// until then; the next child waits for that. With zero, the child counts as
	// ready once it runs. For a supervisor, which calls Ready, zero means no
	// limit. See [NoLimit].
	StartTimeout time.Duration
	// Shutdown is the time that the child may take to stop before it is stuck.
	// Defaults to 5s, and to no limit for a supervisor, whose children have
	// their own limits.
	Shutdown time.Duration
	OnStuck  OnStuck
	// Backoff returns a new back-off for the waits before restarts; a child that
	// was ready for the stable time gets a new one. [backoff.Stop] is a breach.
	// Defaults to 100 ms doubling to 30 s, with a jitter of one half. It must
	// not call the supervisor.
	Backoff func() backoff.BackOff
}

// Intensity is the number of restarts within a window that a supervisor
// tolerates. The zero value is the default; [Restarts] returns other values,
// including none at all.
type Intensity struct {
	set   bool
	count int
}

// Restarts returns an intensity of n restarts. With 0, the first failure ends
// the supervisor.
func Restarts(n int) Intensity { return Intensity{set: true, count: n} }

// Spec describes a supervisor.
type Spec struct {
	// Name is for logs, events and status.
	Name     string
	Strategy Strategy
	// Intensity and Window: more than Intensity restarts within the window lead
	// to OnBreach. Two restarts exactly a window apart are both in it. They
	// default to 5 in a minute. A group restart counts once, and a failed start
	// like any failure; commands and [ErrUnavailable] do not count.
	Intensity Intensity
	Window    time.Duration
	OnBreach  OnBreach
	// ParkFor is how long a parked child stays down. Defaults to 5 minutes.
	ParkFor time.Duration
	// Stable is how long a child must have been ready before its earlier
	// failures no longer lengthen its back-off. Defaults to a minute.
	Stable       time.Duration
	AutoShutdown AutoShutdown
	// Children start in this order, each when the one before is ready, and stop
	// in reverse order; those in a dynamic supervisor all at once.
	Children []Child
	// Shutdown is the time that all children in a dynamic supervisor together
	// may take to stop. Defaults to 5s.
	Shutdown time.Duration
	// Events, when set, receives each [Event] in order, from a separate
	// goroutine.
	Events func(Event)
	// Exit ends the process; only [StuckExit] needs it.
	Exit func(reason error)
	// Logger receives the same events. Defaults to discarding them.
	Logger *slog.Logger
}

const (
	defaultShutdown  = 5 * time.Second
	defaultIntensity = 5
	defaultWindow    = time.Minute
	defaultParkFor   = 5 * time.Minute
	defaultStable    = time.Minute
	firstBackoff     = 100 * time.Millisecond
	longestBackoff   = 30 * time.Second
)

// NoLimit is a StartTimeout or Shutdown that never expires.
const NoLimit = time.Duration(1<<63 - 1)

func (s Spec) withDefaults() Spec {
	if !s.Intensity.set {
		s.Intensity = Restarts(defaultIntensity)
	}
	s.Window, s.ParkFor = cmp.Or(s.Window, defaultWindow), cmp.Or(s.ParkFor, defaultParkFor)
	s.Stable, s.Shutdown = cmp.Or(s.Stable, defaultStable), cmp.Or(s.Shutdown, defaultShutdown)
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	s.Children = slices.Clone(s.Children)
	for i, c := range s.Children {
		s.Children[i] = c.withDefaults()
	}
	return s
}

func (c Child) withDefaults() Child {
	if c.supervisor() != nil {
		c.Shutdown, c.StartTimeout = cmp.Or(c.Shutdown, NoLimit), cmp.Or(c.StartTimeout, NoLimit)
	}
	c.Shutdown = cmp.Or(c.Shutdown, defaultShutdown)
	if c.Backoff == nil {
		c.Backoff = defaultBackoff
	}
	return c
}

// supervisor returns the supervisor that the service is or embeds, or nil.
func (c Child) supervisor() *Supervisor {
	if s, ok := c.Service.(interface{ self() *Supervisor }); ok {
		return s.self()
	}
	return nil
}

func defaultBackoff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstBackoff), backoff.WithMaxInterval(longestBackoff), backoff.WithMultiplier(2),
		backoff.WithMaxElapsedTime(0))
}
