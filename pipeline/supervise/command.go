package supervise

import (
	"errors"
	"fmt"
	"time"
)

// The errors of commands.
var (
	// ErrNotServing: the supervisor does not serve, or is on its way down.
	ErrNotServing = errors.New("supervisor does not serve")
	// ErrNotFound: no child has the name.
	ErrNotFound = errors.New("no such child")
	// ErrDuplicate: a child has the name already.
	ErrDuplicate = errors.New("a child has that name")
	// ErrRunning: the child has to be stopped first.
	ErrRunning = errors.New("child is running")
	// ErrDisabled: an operator disabled the child.
	ErrDisabled = errors.New("child is disabled")
	// ErrStuck: the child has not returned since it was told to stop.
	ErrStuck = errors.New("child is stuck")
)

// command runs a command about a child, and names it in the error.
func (s *Supervisor) command(verb, name string, do func(*run, *child) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.children.byName[name]
	var err error
	switch {
	case s.run == nil || s.run.ending:
		err = ErrNotServing
	case c == nil:
		err = ErrNotFound
	default:
		err = do(s.run, c)
	}
	if err != nil {
		return fmt.Errorf("%s child %s of supervisor %s: %w", verb, name, s.spec.Name, err)
	}
	return nil
}

// Add adds a child after the others, and has it started: at once, or where
// children stand on one another, when those before it are ready. It is
// forgotten when the supervisor ends. The error lists every problem of the
// child, or is [ErrDuplicate] or [ErrNotServing].
func (s *Supervisor) Add(spec Child) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.spec.problemsOf(spec, spec.Name)...)
	switch {
	case err != nil:
	case s.run == nil || s.run.ending:
		err = ErrNotServing
	case s.children.byName[spec.Name] != nil:
		err = ErrDuplicate
	default:
		c := &child{Child: spec.withDefaults(), state: Idle, since: time.Now()}
		s.children.append(c)
		s.run.added(c)
	}
	if err != nil {
		return fmt.Errorf("add child %s to supervisor %s: %w", spec.Name, s.spec.Name, err)
	}
	return nil
}

func (r *run) added(c *child) {
	if r.s.disabled[c.Name] {
		c.state = Disabled
		return
	}
	r.startAgain(c)
}

// Remove forgets a child. One that runs has to be stopped first, else the
// error is [ErrRunning]; of a dynamic supervisor it is stopped and then
// forgotten. A stuck child can be removed; that it returns later is told, but
// changes nothing.
func (s *Supervisor) Remove(name string) error {
	return s.command("remove", name, func(r *run, c *child) error {
		dynamic := s.spec.Strategy == Dynamic
		switch {
		case (c.state.alive() || c.state == Stopping) && !dynamic:
			return ErrRunning
		case c.state.alive():
			r.ask(c, thenRemove)
		case c.state == Stopping:
			c.then = thenRemove
		default:
			r.forget(c)
			r.advance()
		}
		delete(s.disabled, name)
		return nil
	})
}

// StopChild has a child stopped. It stays down until somebody restarts it, or
// until its group is restarted: OTP's terminate_child. Those that stand on it
// go on. Stopping what is down already is no error. See [Supervisor.Disable]
// for a stop that lasts.
func (s *Supervisor) StopChild(name string) error {
	return s.command("stop", name, func(r *run, c *child) error {
		r.halt(c, thenStop, Stopped)
		return nil
	})
}

// Disable has a child stopped, and keeps it down through group restarts and
// restarts of this supervisor, until somebody enables it.
func (s *Supervisor) Disable(name string) error {
	return s.command("disable", name, func(r *run, c *child) error {
		s.disabled[name] = true
		r.halt(c, thenDisable, Disabled)
		return nil
	})
}

// halt stops a child, whatever it is doing.
func (r *run) halt(c *child, then intent, state State) {
	switch {
	case c.state.alive():
		r.ask(c, then)
	case c.state == Stopping && c.then != thenRemove:
		c.then = then
	case c.state == Stopping, c.state == Stuck:
	case c.state == Disabled && state == Stopped: // which is more than stopped
	default:
		r.become(c, state)
		r.advance()
	}
}

// Enable has a disabled child started again. It does nothing to others.
func (s *Supervisor) Enable(name string) error {
	return s.command("enable", name, func(r *run, c *child) error {
		delete(s.disabled, name)
		switch {
		case c.state == Disabled:
			r.startAgain(c)
		case c.state == Stopping && c.then == thenDisable:
			c.then = thenStart
		}
		return nil
	})
}

// Restart has a child stopped, if it runs, and started again, without waiting
// for its back-off; where children stand on one another, its group with it. It
// does not count as a restart. The error is [ErrDisabled], or [ErrStuck] while
// a stuck child has not returned and is not to be replaced.
func (s *Supervisor) Restart(name string) error {
	return s.command("restart", name, func(r *run, c *child) error {
		switch {
		case s.disabled[name]:
			return ErrDisabled
		case c.state == Stuck && c.OnStuck != StuckReplace:
			return ErrStuck
		case c.state == Stopping:
			c.then = thenStart
		case c.state.alive() && s.spec.Strategy.ordered():
			r.fellGroup(c)
		case c.state.alive():
			r.ask(c, thenStart)
		default:
			r.startAgain(c)
		}
		return nil
	})
}
