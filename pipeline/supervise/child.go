package supervise

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// State is a child's current activity.
type State string

// The states.
const (
	Idle     State = "idle"     // not yet started, or down with its group or supervisor
	Starting State = "starting" // started, but not ready
	Running  State = "running"  // ready
	Stopping State = "stopping" // asked to stop
	Waiting  State = "waiting"  // failed; restarts after its back-off
	Parked   State = "parked"   // failed too often; retried at long intervals
	GivenUp  State = "given_up" // failed too often; not restarted
	Ended    State = "ended"    // came to a normal end without being stopped
	Stopped  State = "stopped"  // stopped on command
	Disabled State = "disabled" // stopped on command until it is enabled
	Stuck    State = "stuck"    // asked to stop, but did not return in time
)

// alive reports whether the service runs and was not asked to stop.
func (s State) alive() bool { return s == Starting || s == Running }

// busy reports whether the service runs and the supervisor waits for it.
func (s State) busy() bool { return s.alive() || s == Stopping }

// settled reports whether dependent children need not wait for the child: it
// is ready, or not wanted.
func (s State) settled() bool {
	return s == Running || s == Ended || s == Stopped || s == Disabled
}

// down reports whether the child failed and does not start for now.
func (s State) down() bool { return s == Waiting || s == Parked || s == GivenUp }

// intent is what follows once a stopping child has returned.
type intent int

const (
	intentIdle    intent = iota // the group or the supervisor stops, and decides
	intentStop                  // stay stopped
	intentDisable               // stay down until enabled
	intentStart                 // start again
	intentRemove                // forget the child
	intentFail                  // handle a start timeout
)

// child is a child while its supervisor serves, and its last status afterwards.
// The supervisor's lock guards all but its spec.
type child struct {
	Child
	previous, next *child
	position       int // increases along the list

	state      State
	since      time.Time
	current    *incarnation
	intent     intent
	starts     int
	restarts   int
	lastClass  Class
	lastError  string
	lastStack  string
	lastFailed time.Time

	backoff     backoff.BackOff
	timer       *time.Timer
	transitions int // counts state changes, to recognize timers from earlier states
	ownRestarts restartTimes
	wasParked   bool // and has not been ready for the stable time since
	wasReady    bool // at least once in this run
}

// list holds children in order. Removal takes constant time.
type list struct {
	first, last *child
	byName      map[string]*child
}

func (l *list) pushBack(c *child) {
	c.previous = l.last
	if l.last == nil {
		l.first, c.position = c, 1
	} else {
		l.last.next, c.position = c, l.last.position+1
	}
	l.last = c
	l.byName[c.Name] = c
}

func (l *list) remove(c *child) {
	if c.previous == nil {
		l.first = c.next
	} else {
		c.previous.next = c.next
	}
	if c.next == nil {
		l.last = c.previous
	} else {
		c.next.previous = c.previous
	}
	delete(l.byName, c.Name)
}

// ChildStatus describes a child.
type ChildStatus struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// Incarnation counts the child's starts, Restarts the starts that followed a
	// failure or another unwanted end.
	Incarnation int `json:"incarnation"`
	Restarts    int `json:"restarts"`
	// LastClass, LastError and LastFailed describe the last failure, LastStack
	// shows where the child panicked or hung.
	LastClass  Class     `json:"last_class,omitempty"`
	LastError  string    `json:"last_error,omitempty"`
	LastStack  string    `json:"last_stack,omitempty"`
	LastFailed time.Time `json:"last_failed,omitzero"`
	// Strategy and Children describe a child that is a supervisor.
	Strategy string        `json:"strategy,omitempty"`
	Children []ChildStatus `json:"children,omitempty"`
}

func (c *child) status() ChildStatus {
	return ChildStatus{
		Name: c.Name, State: c.state, Since: c.since, Incarnation: c.starts, Restarts: c.restarts,
		LastClass: c.lastClass, LastError: c.lastError, LastStack: c.lastStack, LastFailed: c.lastFailed,
	}
}

// recordFailure keeps a failure for the status.
func (c *child) recordFailure(class Class, err error, stack string) {
	c.lastClass, c.lastError, c.lastStack, c.lastFailed = class, err.Error(), stack, time.Now()
}

// inherit copies the history from the previous run.
func (c *child) inherit(before *child) {
	c.starts, c.restarts = before.starts, before.restarts
	c.lastClass, c.lastError, c.lastStack, c.lastFailed = before.lastClass, before.lastError, before.lastStack, before.lastFailed
}
