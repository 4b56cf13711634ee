package supervise

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Strategy says who is started again with a child that failed.
type Strategy int

// The strategies, with OTP's names.
const (
	// OneForOne starts again the child alone: the children do not need one
	// another.
	OneForOne Strategy = iota
	// OneForAll stops all the others, and starts all again: none can do without
	// any other.
	OneForAll
	// RestForOne stops those that were started after it, and starts them again
	// with it: they stand on it.
	RestForOne
	// Dynamic children start and stop side by side, and each is started again
	// alone. They come and go by [Supervisor.Add] and [Supervisor.Remove], in any
	// number; those that were added are forgotten when their supervisor ends.
	// OTP calls it simple_one_for_one, and gives it no children to begin with.
	Dynamic
)

// String is the strategy as OTP writes it.
func (s Strategy) String() string {
	switch s {
	case OneForOne:
		return "one_for_one"
	case OneForAll:
		return "one_for_all"
	case RestForOne:
		return "rest_for_one"
	case Dynamic:
		return "dynamic"
	default:
		return fmt.Sprintf("strategy(%d)", int(s))
	}
}

// ordered tells whether children stand on one another.
func (s Strategy) ordered() bool { return s == OneForAll || s == RestForOne }

// Restart says whether a child that ended is started again.
type Restart int

// The kinds of child, with OTP's names.
const (
	// Permanent children are always started again.
	Permanent Restart = iota
	// Transient children are started again when they failed.
	Transient
	// Temporary children are never started again, not even with their group;
	// they are forgotten when they end.
	Temporary
)

// String is the kind as OTP writes it.
func (r Restart) String() string {
	switch r {
	case Permanent:
		return "permanent"
	case Transient:
		return "transient"
	case Temporary:
		return "temporary"
	default:
		return fmt.Sprintf("restart(%d)", int(r))
	}
}

// OnBreach says what happens when restarts exceed the intensity.
type OnBreach int

// The policies for a breach.
const (
	// BreachEscalate stops all children and fails the supervisor, which is one
	// failure for the one above.
	BreachEscalate OnBreach = iota
	// BreachPark leaves the child down and tries it again every ParkFor: where
	// one bad child must never end the tree, not even at its first start. One
	// that fails again before it was ready for the stable time is parked again at
	// once. Each child has the intensity to itself.
	BreachPark
	// BreachStop leaves the child down until somebody calls
	// [Supervisor.Restart]; else it is as BreachPark.
	BreachStop
)

// OnStuck says what happens to a child that does not return within its
// shutdown time. It is reported in any case.
type OnStuck int

// The policies for stuck children. While a supervisor stops, it leaves stuck
// children behind and returns a [StuckError], whatever the policy.
const (
	// StuckRefuse does not start the child again while it has not returned, and
	// not by itself when it has. Children that stand on it wait.
	StuckRefuse OnStuck = iota
	// StuckReplace goes on as if the child had returned. The old life of the
	// service is fenced: see [Fenced].
	StuckReplace
	// StuckEscalate stops all children and fails the supervisor with a
	// [StuckError].
	StuckEscalate
	// StuckExit calls the spec's Exit, which ends the process: whoever keeps it
	// running starts a clean one.
	StuckExit
)

// AutoShutdown says whether a supervisor ends when significant children do.
type AutoShutdown int

// The kinds of automatic shutdown, with OTP's names.
const (
	// Never ends with its children.
	Never AutoShutdown = iota
	// AnySignificant ends when any significant child came to its end by itself.
	AnySignificant
	// AllSignificant ends when all of them did.
	AllSignificant
)

// Child describes one service of a supervisor.
type Child struct {
	// Name is unique among the children.
	Name    string
	Service Service
	Restart Restart
	// Significant children end their supervisor by its AutoShutdown. They
	// cannot be permanent.
	Significant bool
	// StartTimeout says that the service calls [Ready], and how long it may
	// take until then; the children after it wait for that. With zero it counts
	// as ready once it runs. A supervisor calls Ready; zero stands for no limit
	// to it. See [NoLimit].
	StartTimeout time.Duration
	// Shutdown is how long the child may take to stop before it is stuck.
	// Defaults to 5s, and to no limit for a supervisor, which bounds its own
	// children's.
	Shutdown time.Duration
	OnStuck  OnStuck
	// Backoff makes the curve of the waits before the child is started again;
	// it starts anew after the child was ready for the stable time. A curve
	// that returns [backoff.Stop] is a breach. Defaults to 100 ms that double
	// up to 30 s, each by half more or less. It must not call the supervisor.
	Backoff func() backoff.BackOff
}

// Intensity is how many restarts within a window a supervisor bears. Its zero
// value is the default; [Restarts] makes others, among them none at all.
type Intensity struct {
	set   bool
	count int
}

// Restarts is an intensity of n restarts; with 0, the first failure ends the
// supervisor.
func Restarts(n int) Intensity { return Intensity{set: true, count: n} }

// Spec describes a supervisor.
type Spec struct {
	// Name is for logs, events and status.
	Name     string
	Strategy Strategy
	// Intensity and Window: more restarts than that within the window, and
	// OnBreach says what happens. Restarts exactly a window apart are both in
	// it. They default to 5 in a minute. A restart of a group counts once, a
	// start that fails counts like any failure; what operators do does not
	// count, nor does [ErrUnavailable].
	Intensity Intensity
	Window    time.Duration
	OnBreach  OnBreach
	// ParkFor is how long a parked child is left alone. Defaults to 5 minutes.
	ParkFor time.Duration
	// Stable is how long a child must have been ready for its past to be
	// forgiven. Defaults to a minute.
	Stable       time.Duration
	AutoShutdown AutoShutdown
	// Children start in this order, each when the one before is ready, and stop
	// in the reverse of it; those of a dynamic supervisor all at once.
	Children []Child
	// Shutdown is how long all children of a dynamic supervisor together may
	// take to stop. Defaults to 5s.
	Shutdown time.Duration
	// Events, when set, is told what happens, one event after the other, from a
	// goroutine of its own. See [Event].
	Events func(Event)
	// Exit ends the process; needed for [StuckExit] only.
	Exit func(reason error)
	// Logger is told the same events. Defaults to one that discards.
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

// NoLimit is a time that does not run out, for a child's StartTimeout and
// Shutdown.
const NoLimit = time.Duration(1<<63 - 1)

func (s Spec) withDefaults() Spec {
	if !s.Intensity.set {
		s.Intensity = Restarts(defaultIntensity)
	}
	for _, field := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&s.Window, defaultWindow}, {&s.ParkFor, defaultParkFor}, {&s.Stable, defaultStable}, {&s.Shutdown, defaultShutdown}} {
		if *field.value == 0 {
			*field.value = field.standard
		}
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	children := make([]Child, len(s.Children))
	for i, c := range s.Children {
		children[i] = c.withDefaults()
	}
	s.Children = children
	return s
}

func (c Child) withDefaults() Child {
	shutdown := defaultShutdown
	if c.supervisor() != nil {
		shutdown = NoLimit
		if c.StartTimeout == 0 {
			c.StartTimeout = NoLimit
		}
	}
	if c.Shutdown == 0 {
		c.Shutdown = shutdown
	}
	if c.Backoff == nil {
		c.Backoff = defaultBackoff
	}
	return c
}

// supervisor returns the supervisor that the child is, or embeds; nil if none.
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
