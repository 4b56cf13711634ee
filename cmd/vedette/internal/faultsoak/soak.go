package faultsoak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
)

// soak is one soak.
type soak struct {
	length  time.Duration
	only    []string
	limits  limits
	verbose bool

	stdout, stderr io.Writer
}

func (s *soak) run(ctx context.Context, dir string) (err error) {
	log := &output{}
	if s.verbose {
		log.to = s.stderr
	}
	w, err := build(ctx, dir, log)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		cli.Writef(s.stderr, "%s", log.end())
		return err
	}
	faults := s.chosen(w)
	if len(faults) == 0 {
		return errors.New("choose faults: found none that can be injected here")
	}
	courier, err := newCourier(w.pipeline, w.post)
	if err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(courier.client, err) }()
	found, err := s.inject(ctx, w, faults, courier)
	if err != nil {
		cli.Writef(s.stderr, "%s", log.end())
		return err
	}
	b := courier.balance()
	if _, err := fmt.Fprint(s.stdout, report(found, b)); err != nil {
		return err
	}
	return s.verdict(found, b)
}

// chosen returns the faults to inject, and prints which ones are left out.
func (s *soak) chosen(w *world) []fault {
	var faults []fault
	for _, f := range all() {
		if len(s.only) > 0 && !slices.Contains(s.only, f.name) {
			continue
		}
		if f.needs != nil {
			if err := f.needs(w); err != nil {
				reason, _, _ := strings.Cut(err.Error(), "\n") // the rest is advice from mount
				cli.Writef(s.stdout, "left out  %s: %s\n", f.name, reason)
				continue
			}
		}
		faults = append(faults, f)
	}
	for _, text := range leftOut() {
		cli.Writef(s.stdout, "left out  %s\n", text)
	}
	return faults
}

// inject injects the faults in turn until the time is over, each at least once,
// and waits for the mails that are on their way.
func (s *soak) inject(ctx context.Context, w *world, faults []fault, c *courier) ([]observation, error) {
	began := time.Now()
	writing, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { c.run(writing) })
	var found []observation
	for n := 0; n < len(faults) || time.Since(began) < s.length; n++ {
		f := faults[n%len(faults)]
		if err := calm(ctx, w); err != nil {
			return found, fmt.Errorf("wait until all is well before %s: %w", f.name, err)
		}
		cli.Writef(s.stderr, "%s: %s\n", time.Since(began).Round(time.Second), f.what)
		o, err := measure(ctx, w, f, s.limits)
		if err != nil {
			return found, err
		}
		found = append(found, o)
	}
	stop()
	group.Wait()
	limited, cancel := context.WithTimeout(ctx, s.limits.drained)
	defer cancel()
	_ = harness.Poll(limited, func() bool { return len(c.balance().lost) == 0 }) // those left count as lost
	return found, ctx.Err()
}

// calmTimeout bounds the wait for the end of a fault's effects.
const calmTimeout = 5 * time.Minute

// calm waits until nothing is wrong and the watchdog is pinged.
func calm(ctx context.Context, w *world) error {
	limited, cancel := context.WithTimeout(ctx, calmTimeout)
	defer cancel()
	wrong := ""
	err := harness.Poll(limited, func() bool {
		wrong = w.wrong(limited)
		return wrong == ""
	})
	if err != nil {
		return errors.Join(err, errors.New(wrong))
	}
	return nil
}

// wrong returns what is wrong, or "".
func (w *world) wrong(ctx context.Context) string {
	for _, p := range []*process{w.main, w.worker} {
		if found := p.failing(ctx); len(found) > 0 {
			return p.args[0] + ": " + strings.Join(found, ", ")
		}
	}
	now := time.Now()
	for _, monitor := range []string{monitorTarget, monitorControl, monitorFar} {
		if at, health := w.main.checked(ctx, monitor); now.Sub(at) > checkedWithin || health != "up" {
			return fmt.Sprintf("monitor %s is %s, last checked at %s", monitor, health, at.Format(time.TimeOnly))
		}
	}
	if !w.watchdog.well(now) {
		return "the watchdog is not pinged"
	}
	return ""
}

// checkedWithin is how old the last check may be.
const checkedWithin = 4 * time.Second
