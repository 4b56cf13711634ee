package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/workers"
	"vedette/workers/check"
)

// benchScale are the flags of `vedette bench scale`.
type benchScale struct {
	monitors []int
	interval time.Duration
	length   time.Duration
	profile  string

	silent  int // percent of the targets that never answer
	timeout time.Duration
	delay   time.Duration // of the targets that do answer
	checks  int           // the limit of the pool
}

func benchScaleCommand() *cobra.Command {
	var options benchScale
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Measure the whole path with as many monitors as you like",
		Long: `Watches many monitors of web servers on loopback, through the whole path:
clock, check, result, judgement, and the board of the overview, as 'vedette run'
does. The targets answer from a process of their own. Each number of monitors
gets a fresh process, so that no memory is counted twice.

It tells how long the definitions took to store, and the first check to come;
how many of the slots that were due were checked, how late, and whether they
lay on their grid; which were missed, and why; and what it cost in processor
time and memory, beside a bare net/http loop over the same targets.

With --silent, that many percent of the targets accept connections and never
answer, so that each of their checks holds a slot until its timeout; --delay has
the others take their time. Healthy and silent monitors are then told apart, and
beside the slots that the process has stand those that are needed: by Little's
law what comes in a second times how long it is held, for each of the two.

Slots are counted of whole intervals, once each monitor was checked once, or
two intervals after the first check. Nothing but loopback is contacted, and
everything is removed.`,
		Example: `  vedette bench scale --monitors 10000
  vedette bench scale --monitors 10000,100000,1000000 --interval 60s --for 2m
  vedette bench scale --monitors 5000 --interval 10s --silent 20 --timeout 2s --checks 256
  vedette bench scale --monitors 100000 --profile /tmp/profiles`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.validate(); err != nil {
				return cli.UsageError(cmd, err)
			}
			return options.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntSliceVar(&options.monitors, "monitors", []int{10_000}, "how many monitors; several numbers are measured one after the other")
	cmd.Flags().DurationVar(&options.interval, "interval", time.Minute, "interval of each")
	cmd.Flags().DurationVar(&options.length, "for", time.Minute, "how long to count, in whole intervals")
	cmd.Flags().IntVar(&options.silent, "silent", 0, "percent of the targets that accept and never answer")
	cmd.Flags().DurationVar(&options.timeout, "timeout", check.DefaultTimeout, "timeout of each check")
	cmd.Flags().DurationVar(&options.delay, "delay", 0, "how long the other targets take to answer")
	cmd.Flags().IntVar(&options.checks, "checks", workers.DefaultChecks, "how many checks run at once")
	cmd.Flags().StringVar(&options.profile, "profile", "", "write profiles of processor and memory into this directory")
	return cmd
}

// maxScale bounds the monitors: what a process that counts them needs for each
// is small, but not nothing.
const maxScale = 10_000_000

// numbersProblems are why the numbers of a flag cannot be measured one after the
// other.
func numbersProblems(flag string, numbers []int, most int) []error {
	var problems []error
	for _, n := range numbers {
		if n < 1 || n > most {
			problems = append(problems, fmt.Errorf("read %s: found %d, expected 1 to %d", flag, n, most))
		}
	}
	if len(numbers) == 0 {
		problems = append(problems, fmt.Errorf("read %s: found none, expected a number", flag))
	}
	return problems
}

func (o benchScale) validate() error {
	problems := numbersProblems("--monitors", o.monitors, maxScale)
	if o.interval < time.Second || o.interval%time.Second != 0 {
		problems = append(problems, fmt.Errorf("read --interval: found %s, expected whole seconds", o.interval))
	}
	if o.interval > 0 && o.length%o.interval != 0 || o.length < o.interval {
		problems = append(problems, fmt.Errorf("read --for: found %s, expected whole intervals of %s", o.length, o.interval))
	}
	return errors.Join(append(problems, o.validateTargets())...)
}

// validateTargets is about the flags that make the targets other than quick.
func (o benchScale) validateTargets() error {
	var problems []error
	if o.silent < 0 || o.silent > 100 {
		problems = append(problems, fmt.Errorf("read --silent: found %d, expected 0 to 100 percent", o.silent))
	}
	if o.timeout < time.Millisecond {
		problems = append(problems, fmt.Errorf("read --timeout: found %s, expected 1ms or more", o.timeout))
	}
	if o.delay < 0 || o.delay >= o.timeout {
		problems = append(problems, fmt.Errorf("read --delay: found %s, expected less than the timeout of %s", o.delay, o.timeout))
	}
	if o.checks < 1 || o.checks > workers.MaxConcurrency {
		problems = append(problems, fmt.Errorf("read --checks: found %d, expected 1 to %d", o.checks, workers.MaxConcurrency))
	}
	return errors.Join(problems...)
}

// run measures one number of monitors in this process, and each of several in
// one of its own.
func (o benchScale) run(ctx context.Context, stdout, stderr io.Writer) error {
	if len(o.monitors) == 1 {
		return o.measure(ctx, o.monitors[0], stdout)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	for i, n := range o.monitors {
		if i > 0 {
			cli.Writef(stdout, "\n")
		}
		var output bytes.Buffer
		cmd := exec.CommandContext(ctx, self, o.arguments(n)...) //nolint:gosec // ourselves
		cmd.Stdout, cmd.Stderr = &output, stderr
		err := cmd.Run()
		cli.Writef(stdout, "%s", output.String())
		if err != nil {
			return fmt.Errorf("measure %d monitors: %w", n, err)
		}
	}
	return nil
}

func (o benchScale) arguments(monitors int) []string {
	return []string{
		"bench", "scale", "--monitors", strconv.Itoa(monitors), "--interval", o.interval.String(), "--for", o.length.String(), "--profile", o.profile,
		"--silent", strconv.Itoa(o.silent), "--timeout", o.timeout.String(), "--delay", o.delay.String(), "--checks", strconv.Itoa(o.checks),
	}
}
