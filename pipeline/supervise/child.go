package supervise

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// State is what a child is doing.
type State string

// The states.
const (
	Idle     State = "idle"     // not started yet, or down with its group or its supervisor
	Starting State = "starting" // started, but not ready
	Running  State = "running"  // ready
	Stopping State = "stopping" // told to stop
	Waiting  State = "waiting"  // failed, and started again after its back-off
	Parked   State = "parked"   // failed too often, and tried again now and then
	GivenUp  State = "given_up" // failed too often, and not started again
	Ended    State = "ended"    // came to a normal end by itself
	Stopped  State = "stopped"  // stopped by somebody
	Disabled State = "disabled" // stopped by an operator until it is enabled
	Stuck    State = "stuck"    // was told to stop, and does not return
)

// alive tells whether the child's service runs and was not told to stop.
func (s State) alive() bool { return s == Starting || s == Running }

// busy tells whether the child's service runs, and somebody waits for it.
func (s State) busy() bool { return s.alive() || s == Stopping }

// settled tells whether those that stand on the child need not wait for it: it
// is ready, or it is not wanted.
func (s State) settled() bool {
	return s == Running || s == Ended || s == Stopped || s == Disabled
}

// down tells whether the child failed and is not to be started for now.
func (s State) down() bool { return s == Waiting || s == Parked || s == GivenUp }

// intent is what is to become of a child that was told to stop.
type intent int

const (
	thenIdle    intent = iota // its group or its supervisor goes down, and decides
	thenStop                  // somebody wants it stopped
	thenDisable               // an operator wants it to stay down
	thenStart                 // somebody wants it restarted
	thenRemove                // somebody wants it forgotten
	thenFail                  // it was not ready in time
)

// child is a child while its supervisor serves, and its last status afterwards.
// The supervisor's lock guards it, but for its spec.
type child struct {
	Child
	previous, next *child
	order          int // grows along the list

	state       State
	since       time.Time
	life        *life
	then        intent
	incarnation int
	restarts    int
	lastClass   Class
	lastError   string
	lastStack   string
	lastFailed  time.Time

	curve  backoff.BackOff
	timer  *time.Timer
	turn   int // counts states, so that a timer of an earlier one is known
	own    restarts
	parked bool // was parked, and has not been ready for the stable time since
	begun  bool // was ready once since its supervisor began to serve
}

// list holds children in their order. Removing one takes the same time however
// many there are.
type list struct {
	first, last *child
	byName      map[string]*child
}

func (l *list) append(c *child) {
	c.previous = l.last
	if l.last == nil {
		l.first, c.order = c, 1
	} else {
		l.last.next, c.order = c, l.last.order+1
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

// ChildStatus is what is known of a child.
type ChildStatus struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// Incarnation counts the child's starts, Restarts those of them that
	// followed a failure or an unwanted end of its own.
	Incarnation int `json:"incarnation"`
	Restarts    int `json:"restarts"`
	// LastClass, LastError and LastFailed tell of its last failure, LastStack
	// where it panicked or hung.
	LastClass  Class     `json:"last_class,omitempty"`
	LastError  string    `json:"last_error,omitempty"`
	LastStack  string    `json:"last_stack,omitempty"`
	LastFailed time.Time `json:"last_failed,omitzero"`
	// Strategy and Children are those of a child that is a supervisor.
	Strategy string        `json:"strategy,omitempty"`
	Children []ChildStatus `json:"children,omitempty"`
}

func (c *child) status() ChildStatus {
	return ChildStatus{
		Name: c.Name, State: c.state, Since: c.since, Incarnation: c.incarnation, Restarts: c.restarts,
		LastClass: c.lastClass, LastError: c.lastError, LastStack: c.lastStack, LastFailed: c.lastFailed,
	}
}

// record remembers a failure.
func (c *child) record(class Class, err error, stack string) {
	c.lastClass, c.lastError, c.lastStack, c.lastFailed = class, err.Error(), stack, time.Now()
}

// inherit takes over what was counted when its supervisor served before.
func (c *child) inherit(before *child) {
	c.incarnation, c.restarts = before.incarnation, before.restarts
	c.lastClass, c.lastError, c.lastStack, c.lastFailed = before.lastClass, before.lastError, before.lastStack, before.lastFailed
}
