package supervise

import (
	"errors"
	"fmt"
	"strconv"
)

// problems collects errors, so that all are returned at once.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// validate returns every problem in the spec.
func (s Spec) validate() error {
	var found problems
	if s.Name == "" {
		found.add("name: found none")
	}
	if s.Strategy < OneForOne || s.Strategy > Dynamic {
		found.add("strategy: found %d, expected one_for_one, one_for_all, rest_for_one or dynamic", int(s.Strategy))
	}
	if s.Intensity.count < 0 {
		found.add("intensity: found %d, expected no negative number", s.Intensity.count)
	}
	if s.Window < 0 || s.ParkFor < 0 || s.Stable < 0 || s.Shutdown < 0 {
		found.add("times: found window %s, park for %s, stable %s, shutdown %s, expected none negative", s.Window, s.ParkFor, s.Stable, s.Shutdown)
	}
	if s.OnBreach < BreachEscalate || s.OnBreach > BreachStop {
		found.add("on breach: found %d, expected escalate, park or stop", int(s.OnBreach))
	}
	if s.AutoShutdown < Never || s.AutoShutdown > AllSignificant {
		found.add("auto shutdown: found %d, expected never, any_significant or all_significant", int(s.AutoShutdown))
	}
	seen := map[string]bool{}
	for i, c := range s.Children {
		name := c.Name
		if name == "" {
			name = strconv.Itoa(i)
		}
		if seen[c.Name] {
			found.add("child %s: found its name twice", name)
		}
		seen[c.Name] = c.Name != ""
		found = append(found, s.problemsOf(c, name)...)
	}
	if err := errors.Join(found...); err != nil {
		return fmt.Errorf("check supervisor %s: %w", s.Name, err)
	}
	return nil
}

// problemsOf returns every problem in a child of this supervisor.
func (s Spec) problemsOf(c Child, name string) problems {
	var found problems
	if c.Name == "" {
		found.add("child %s: found no name", name)
	}
	if c.Service == nil {
		found.add("child %s: found no service", name)
	}
	if c.Restart < Permanent || c.Restart > Temporary {
		found.add("child %s: found restart %d, expected permanent, transient or temporary", name, int(c.Restart))
	}
	if c.Shutdown < 0 || c.StartTimeout < 0 {
		found.add("child %s: found shutdown %s and start timeout %s, expected no negative time", name, c.Shutdown, c.StartTimeout)
	}
	if c.OnStuck < StuckRefuse || c.OnStuck > StuckExit {
		found.add("child %s: found on stuck %d, expected refuse, replace, escalate or exit", name, int(c.OnStuck))
	}
	if c.OnStuck == StuckExit && s.Exit == nil {
		found.add("child %s: found on stuck exit in a supervisor without Exit", name)
	}
	if c.Significant && c.Restart == Permanent {
		found.add("child %s: found permanent and significant, expected one of them: a permanent child never ends", name)
	}
	if c.Significant && s.AutoShutdown == Never {
		found.add("child %s: found significant in a supervisor without automatic shutdown", name)
	}
	return found
}
