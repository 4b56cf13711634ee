package supervise

import (
	"errors"
	"fmt"
	"time"
)

// The errors returned by commands.
var (
	// ErrNotServing: the supervisor does not serve, or is stopping.
	ErrNotServing = errors.New("supervisor does not serve")
	// ErrNotFound: no child has the name.
	ErrNotFound = errors.New("no such child")
	// ErrDuplicate: another child has the name.
	ErrDuplicate = errors.New("another child has that name")
	// ErrRunning: the child must be stopped first.
	ErrRunning = errors.New("child is running")
	// ErrDisabled: the child is disabled.
	ErrDisabled = errors.New("child is disabled")
	// ErrStuck: the child was asked to stop and has not returned.
	ErrStuck = errors.New("child is stuck")
)

// command runs a command on a child, and adds the names to its error.
func (s *Supervisor) command(verb, name string, do func(*run, *child) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.children.byName[name]
	var err error
	switch {
	case s.run == nil || s.run.stopping:
		err = ErrNotServing
	case c == nil:
		err = ErrNotFound
	default:
		err = do(s.run, c)
	}
	if err != nil {
		return fmt.Errorf("%s child %s in supervisor %s: %w", verb, name, s.spec.Name, err)
	}
	return nil
}

// Add appends a child and starts it: at once, or where children depend on each
// other, when those before it are ready. The child is forgotten when the
// supervisor ends. The error lists every problem in the spec, or is
// [ErrDuplicate] or [ErrNotServing].
func (s *Supervisor) Add(spec Child) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := errors.Join(s.spec.problemsOf(spec, spec.Name)...)
	switch {
	case err != nil:
	case s.run == nil || s.run.stopping:
		err = ErrNotServing
	case s.children.byName[spec.Name] != nil:
		err = ErrDuplicate
	default:
		c := &child{Child: spec.withDefaults(), state: Idle, since: time.Now()}
		s.children.pushBack(c)
		if s.disabled[c.Name] {
			c.state = Disabled
		} else {
			s.run.startInOrder(c)
		}
	}
	if err != nil {
		return fmt.Errorf("add child %s to supervisor %s: %w", spec.Name, s.spec.Name, err)
	}
	return nil
}

// Remove forgets a child. A running child must be stopped first, otherwise the
// error is [ErrRunning]; a dynamic supervisor stops the child and then forgets
// it. A stuck child can be removed; its later return is reported and has no
// other effect.
func (s *Supervisor) Remove(name string) error {
	return s.command("remove", name, func(r *run, c *child) error {
		dynamic := s.spec.Strategy == Dynamic
		switch {
		case (c.state.alive() || c.state == Stopping) && !dynamic:
			return ErrRunning
		case c.state.alive():
			r.requestStop(c, intentRemove)
		case c.state == Stopping:
			c.intent = intentRemove
		default:
			r.forget(c)
			r.continueStart()
		}
		delete(s.disabled, name)
		return nil
	})
}

// StopChild stops a child until it is restarted, alone or with its group, like
// OTP's terminate_child. Children that depend on it continue to run. Stopping a
// child that is down is no error. See [Supervisor.Disable] for a lasting stop.
func (s *Supervisor) StopChild(name string) error {
	return s.command("stop", name, func(r *run, c *child) error {
		r.keepDown(c, intentStop, Stopped)
		return nil
	})
}

// Disable stops a child until it is enabled, also when its group or this
// supervisor restarts.
func (s *Supervisor) Disable(name string) error {
	return s.command("disable", name, func(r *run, c *child) error {
		s.disabled[name] = true
		r.keepDown(c, intentDisable, Disabled)
		return nil
	})
}

// keepDown stops a child in any state.
func (r *run) keepDown(c *child, then intent, state State) {
	switch {
	case c.state.alive():
		r.requestStop(c, then)
	case c.state == Stopping && c.intent != intentRemove:
		c.intent = then
	case c.state == Stopping, c.state == Stuck:
	case c.state == Disabled && state == Stopped: // disabled is the stronger state
	default:
		r.setState(c, state)
		r.continueStart()
	}
}

// Enable starts a disabled child again. On other children it has no effect.
func (s *Supervisor) Enable(name string) error {
	return s.command("enable", name, func(r *run, c *child) error {
		delete(s.disabled, name)
		switch {
		case c.state == Disabled:
			r.startInOrder(c)
		case c.state == Stopping && c.intent == intentDisable:
			c.intent = intentStart
		}
		return nil
	})
}

// Restart stops a child, if it runs, and starts it again without waiting for
// its back-off; where children depend on each other, with its group. It does
// not count as a restart. The error is [ErrDisabled], or [ErrStuck] while a
// stuck child has not returned and must not be replaced.
func (s *Supervisor) Restart(name string) error {
	return s.command("restart", name, func(r *run, c *child) error {
		switch {
		case s.disabled[name]:
			return ErrDisabled
		case c.state == Stuck && c.OnStuck != StuckReplace:
			return ErrStuck
		case c.state == Stopping:
			c.intent = intentStart
		case c.state.alive() && s.spec.Strategy.dependent():
			r.stopGroupOf(c)
		case c.state.alive():
			r.requestStop(c, intentStart)
		default:
			r.startInOrder(c)
		}
		return nil
	})
}
