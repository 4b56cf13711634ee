package bench

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/workers"
	"vedette/workers/check"
)

func scaleCommand() *cobra.Command {
	var monitors []int
	var l load
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Measure an installation with any number of monitors",
		Long: `Runs an installation with many monitors for web servers on loopback, with all
stages and the status page, as 'vedette run' does. The targets are in a separate
process. Each number of monitors gets a new process, so that no memory is
counted twice.

It prints how long it took to store the definitions and until the first check;
how many due slots were checked, how late, and whether they were on their grid;
which slots were missed, and why; and the CPU time and memory, compared with a
bare net/http loop over the same targets.

With --silent, that percentage of the targets accepts connections and never
answers, so that each of their checks holds a slot until its timeout; --delay
delays the other answers. The report then separates healthy and silent monitors
and shows the number of slots that the pool needs: by Little's law, checks per
second times seconds per check, for both kinds.

Slots are counted in whole intervals, once each monitor was checked, or two
intervals after the first check. Only loopback is contacted, and everything is
removed.`,
		Example: `  vedette bench scale --monitors 10000
  vedette bench scale --monitors 10000,100000,1000000 --interval 60s --for 2m
  vedette bench scale --monitors 5000 --interval 10s --silent 20 --timeout 2s --checks 256
  vedette bench scale --monitors 100000 --profile /tmp/profiles`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := harness.CheckFlags(cmd, append(l.limits(), numbers("--monitors", monitors, maxMonitors)...)...); err != nil {
				return err
			}
			if len(monitors) == 1 {
				return l.measureScale(cmd.Context(), monitors[0], cmd.OutOrStdout())
			}
			return l.compare(cmd.Context(), monitors, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntSliceVar(&monitors, "monitors", []int{10_000}, "numbers of monitors, measured one after the other")
	cmd.Flags().DurationVar(&l.interval, "interval", time.Minute, "interval of each monitor")
	cmd.Flags().DurationVar(&l.length, "for", time.Minute, "how long to count, in whole intervals")
	cmd.Flags().IntVar(&l.silent, "silent", 0, "percentage of targets that accept connections and never answer")
	cmd.Flags().DurationVar(&l.timeout, "timeout", check.DefaultTimeout, "timeout of each check")
	cmd.Flags().DurationVar(&l.delay, "delay", 0, "delay of the other answers")
	cmd.Flags().IntVar(&l.checks, "checks", workers.DefaultChecks, "how many checks run at once")
	cmd.Flags().StringVar(&l.profile, "profile", "", "directory for CPU and memory profiles")
	return cmd
}

// maxMonitors bounds the monitors: the tally needs a few bytes for each.
const maxMonitors = 10_000_000

// numbers are the limits for a flag with several numbers.
func numbers(flag string, found []int, most int) []harness.Limit {
	limits := []harness.Limit{{Flag: flag, Found: found, Holds: len(found) > 0, Expected: "a number"}}
	for _, n := range found {
		limits = append(limits, upTo(flag, n, most))
	}
	return limits
}

func upTo(flag string, n, most int) harness.Limit {
	return harness.Limit{Flag: flag, Found: n, Holds: n >= 1 && n <= most, Expected: fmt.Sprintf("1 to %d", most)}
}

func wholeSeconds(flag string, d time.Duration) harness.Limit {
	return harness.Limit{Flag: flag, Found: d, Holds: d >= time.Second && d%time.Second == 0, Expected: "whole seconds"}
}

func (l load) limits() []harness.Limit {
	return []harness.Limit{
		wholeSeconds("--interval", l.interval),
		{Flag: "--for", Found: l.length, Holds: l.interval > 0 && l.length >= l.interval && l.length%l.interval == 0, Expected: fmt.Sprintf("whole intervals of %s", l.interval)},
		{Flag: "--silent", Found: l.silent, Holds: l.silent >= 0 && l.silent <= 100, Expected: "0 to 100 percent"},
		{Flag: "--timeout", Found: l.timeout, Holds: l.timeout >= time.Millisecond, Expected: "1ms or more"},
		{Flag: "--delay", Found: l.delay, Holds: l.delay >= 0 && l.delay < l.timeout, Expected: fmt.Sprintf("less than the timeout of %s", l.timeout)},
		upTo("--checks", l.checks, workers.MaxConcurrency),
	}
}

// measureScale measures n monitors in this process.
func (l load) measureScale(ctx context.Context, monitors int, stdout io.Writer) error {
	targets, server, err := startTargets(l.delay)
	if err != nil {
		return err
	}
	defer server.Stop()
	r, err := l.measure(ctx, monitors, targets.URLs, server.cost)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(stdout, r.report())
	return err
}

// compare measures each number of monitors in a new process.
func (l load) compare(ctx context.Context, monitors []int, stdout, stderr io.Writer) error {
	for i, n := range monitors {
		if i > 0 {
			cli.Writef(stdout, "\n")
		}
		cmd, err := harness.Command("child", "bench", "scale", "--monitors", strconv.Itoa(n), "--interval", l.interval.String(), "--for", l.length.String(),
			"--profile", l.profile, "--silent", strconv.Itoa(l.silent), "--timeout", l.timeout.String(), "--delay", l.delay.String(), "--checks", strconv.Itoa(l.checks))
		if err != nil {
			return err
		}
		cmd.Stdout, cmd.Stderr = stdout, stderr
		process, err := harness.Start(cmd, func(error) {})
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, process.Stop)
		<-process.Ended
		stop()
		if process.Err != nil {
			return fmt.Errorf("measure %d monitors: %w", n, process.Err)
		}
	}
	return nil
}

func (r *run) report() string {
	t := r.tally
	path, loop := r.used.perThousand(r.arrived), r.bare.perThousand(r.requests)
	all, missed := "more than two intervals", t.total.missed.String()
	if r.all > 0 {
		all = rounded(r.all).String()
	}
	if open := t.open(); open > 0 {
		missed += fmt.Sprintf("; %d with neither a result nor a reason", open)
	}
	return fmt.Sprintf(`%d monitors every %s, %d processors; targets in another process
stored                %s, %.0f a second
first check           %s after the start, each checked once after %s
checks                %.0f a second
slots done            %d of %d that were due, %.3f %%; %d twice, %d not up
slots missed          %s
%slate by               %s
late by, p99          %s in the first quarter, %s in the last
slots off their grid  %d
cost of the path      %.3f CPU-seconds per 1,000 checks, targets not included
cost of the targets   %.3f CPU-seconds per 1,000 checks
cost of a bare loop   %.3f CPU-seconds per 1,000 requests, targets not included
ratio                 %.2f
memory                %s
`,
		r.n, r.interval, processors(), rounded(r.stored), float64(r.n)/r.stored.Seconds(), rounded(r.firstCheck), all, r.used.rate(r.arrived),
		t.total.done, t.due(), 100*float64(t.total.done)/float64(t.due()), t.twice, t.down, missed, r.kinds(), &t.total.late,
		rounded(t.quarters[0].quantile(0.99)), rounded(t.quarters[3].quantile(0.99)), t.offGrid,
		path, pace{cpu: r.targets}.perThousand(r.arrived), loop, path/loop, r.memory.report(r.n))
}
