package supervise

import "fmt"

// Strategy selects the siblings that restart with a failed child.
type Strategy int

// The strategies, with OTP's names.
const (
	// OneForOne restarts only the failed child: the children are independent.
	OneForOne Strategy = iota
	// OneForAll stops all other children and restarts all: each needs all
	// others.
	OneForAll
	// RestForOne stops the children that were started after the failed one, and
	// restarts them with it: they depend on it.
	RestForOne
	// Dynamic children start and stop concurrently, and each restarts alone.
	// [Supervisor.Add] and [Supervisor.Remove] change them, in any number; added
	// children are forgotten when their supervisor ends. OTP calls it
	// simple_one_for_one, and gives it no initial children.
	Dynamic
)

// String returns the strategy as OTP writes it.
func (s Strategy) String() string {
	names := [...]string{"one_for_one", "one_for_all", "rest_for_one", "dynamic"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("strategy(%d)", int(s))
	}
	return names[s]
}

// dependent reports whether children depend on each other.
func (s Strategy) dependent() bool { return s == OneForAll || s == RestForOne }

// stopGroupOf stops the children that the strategy restarts with a child.
func (r *run) stopGroupOf(c *child) {
	switch r.s.spec.Strategy {
	case OneForAll:
		r.stopGroup(r.s.children.first)
	case RestForOne:
		r.stopGroup(c)
	case OneForOne, Dynamic:
		r.continueStart()
	}
}

// stopGroup stops a child and all after it, in reverse order. Members that had
// stopped before restart with the group, except disabled ones.
func (r *run) stopGroup(from *child) {
	if r.stopTo == 0 {
		r.stopCursor, r.stopTo = r.s.children.last, from.position
	}
	r.stopTo = min(r.stopTo, from.position)
	r.rewind(from)
	for c := from; c != nil; c = c.next {
		if (c.state == Stopped || c.state == Ended) && c.Restart != Temporary {
			r.setState(c, Idle)
		}
	}
	r.continueStop()
}

// Restart selects the ends after which a child restarts.
type Restart int

// The kinds of child, with OTP's names.
const (
	// Permanent children always restart.
	Permanent Restart = iota
	// Transient children restart after failures.
	Transient
	// Temporary children never restart, not even with their group; they are
	// forgotten when they end.
	Temporary
)

// OnBreach is the policy for restarts that exceed the intensity.
type OnBreach int

// The policies for a breach.
const (
	// BreachEscalate stops all children and fails the supervisor, which is one
	// failure for its parent.
	BreachEscalate OnBreach = iota
	// BreachPark leaves the child down and tries it again every ParkFor, so that
	// one bad child never ends the tree, not even at its first start. A child
	// that fails again before it was ready for the stable time is parked again
	// at once. Each child has its own intensity.
	BreachPark
	// BreachStop is like BreachPark, but leaves the child down until a
	// [Supervisor.Restart].
	BreachStop
)

// OnStuck is the policy for a child that does not return within its shutdown
// time. The child is reported in any case.
type OnStuck int

// The policies for stuck children. A supervisor that stops abandons stuck
// children and returns a [StuckError], whatever the policy.
const (
	// StuckRefuse does not start the child again before it has returned, and
	// then only on command. Children that depend on it wait.
	StuckRefuse OnStuck = iota
	// StuckReplace continues as if the child had returned. The old incarnation
	// is fenced: see [Fenced].
	StuckReplace
	// StuckEscalate stops all children and fails the supervisor with a
	// [StuckError].
	StuckEscalate
	// StuckExit calls the spec's Exit, which ends the process, so that the
	// process manager starts a clean one.
	StuckExit
)

// AutoShutdown selects whether a supervisor ends with its significant children.
type AutoShutdown int

// The kinds of automatic shutdown, with OTP's names.
const (
	// Never ends with its children.
	Never AutoShutdown = iota
	// AnySignificant ends when any significant child ended without being
	// stopped.
	AnySignificant
	// AllSignificant ends when all significant children did.
	AllSignificant
)
