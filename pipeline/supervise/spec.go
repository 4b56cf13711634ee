package supervise

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Strategy says who is started again with a child that failed.
type Strategy int

// The strategies, with OTP's names.
const (
	// OneForOne starts again the child alone.
	OneForOne Strategy = iota
	// OneForAll stops all the others, and starts all again.
	OneForAll
	// RestForOne stops those that were started after it, and starts them again
	// with it: they stand on it.
	RestForOne
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
	default:
		panic(fmt.Sprintf("unknown strategy %d", int(s)))
	}
}

// Restart says whether a child that ended is started again.
type Restart int

// The kinds of child, with OTP's names.
const (
	// Permanent children are always started again.
	Permanent Restart = iota
	// Transient children are started again when they failed.
	Transient
	// Temporary children are never started again.
	Temporary
)

// Child describes one service of a supervisor.
type Child struct {
	// Name is unique among the children.
	Name    string
	Service Service
	Restart Restart
	// Shutdown is how long the child may take to stop. Defaults to 5s.
	Shutdown time.Duration
	// Backoff makes the curve of the waits before the child is started again;
	// it starts anew after the child ran for a minute. Defaults to 100 ms that
	// double up to 30 s, each by half more or less.
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
	// Name is for logs and status.
	Name     string
	Strategy Strategy
	// Intensity and Window: more restarts than that within the window, and the
	// supervisor stops its children and fails itself. They default to 5 in a
	// minute.
	Intensity Intensity
	Window    time.Duration
	// Children start in this order, and stop in the reverse of it.
	Children []Child
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

const (
	defaultShutdown  = 5 * time.Second
	defaultIntensity = 5
	defaultWindow    = time.Minute
	firstBackoff     = 100 * time.Millisecond
	longestBackoff   = 30 * time.Second
	// stableAfter is how long a child must run for its past to be forgiven.
	stableAfter = time.Minute
)

func (s Spec) withDefaults() Spec {
	if !s.Intensity.set {
		s.Intensity = Restarts(defaultIntensity)
	}
	if s.Window == 0 {
		s.Window = defaultWindow
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	children := make([]Child, len(s.Children))
	for i, c := range s.Children {
		if c.Shutdown == 0 {
			c.Shutdown = defaultShutdown
		}
		if c.Backoff == nil {
			c.Backoff = defaultBackoff
		}
		children[i] = c
	}
	s.Children = children
	return s
}

func defaultBackoff() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstBackoff), backoff.WithMaxInterval(longestBackoff), backoff.WithMultiplier(2),
		backoff.WithMaxElapsedTime(0))
}

// validate finds everything that is wrong, at once.
func (s Spec) validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if s.Name == "" {
		add("name: found none")
	}
	if s.Strategy < OneForOne || s.Strategy > RestForOne {
		add("strategy: found %d, expected one_for_one, one_for_all or rest_for_one", int(s.Strategy))
	}
	if s.Intensity.count < 0 || s.Window < 0 {
		add("intensity: found %d in %s, expected no negative number", s.Intensity.count, s.Window)
	}
	seen := map[string]bool{}
	for i, c := range s.Children {
		switch {
		case c.Name == "":
			add("child %d: found no name", i)
		case seen[c.Name]:
			add("child %s: found its name twice", c.Name)
		}
		seen[c.Name] = true
		if c.Service == nil {
			add("child %s: found no service", c.Name)
		}
		if c.Shutdown < 0 {
			add("child %s: found shutdown %s, expected no negative time", c.Name, c.Shutdown)
		}
		if c.Restart < Permanent || c.Restart > Temporary {
			add("child %s: found restart %d, expected permanent, transient or temporary", c.Name, int(c.Restart))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check supervisor %s: %w", s.Name, err)
	}
	return nil
}

// group returns the half-open range of the children that are started again with
// the one at place i.
func (s Strategy) group(i, children int) (from, to int) {
	switch s {
	case OneForAll:
		return 0, children
	case RestForOne:
		return i, children
	case OneForOne:
		return i, i + 1
	default:
		return i, i + 1
	}
}
