package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/workers"
)

// benchWorkers are the flags of `vedette bench workers`.
type benchWorkers struct {
	workers  []int
	checks   int
	delay    time.Duration
	interval time.Duration
	length   time.Duration
}

func benchWorkersCommand() *cobra.Command {
	var options benchWorkers
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "Measure what more check workers bring where targets are slow",
		Long: `Watches web servers on loopback that take their time to answer, with check
workers in processes of their own as 'vedette worker' runs them, each with its
own connection. More checks are due than all of them together can make, so what
counts is how many are made: with one worker, with two, with three.

For each number it prints the checks a second, that in relation to the first
row, the part of what the slots allow (workers times slots, divided by how long
a target takes), and the slots that were missed, and why. Clock, scheduler,
server and evaluator are in the process that measures. Nothing but loopback is
contacted, and everything is removed.`,
		Example: "  vedette bench workers --workers 1,2,3 --checks 32 --delay 200ms",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.validate(); err != nil {
				return cli.UsageError(cmd, err)
			}
			return options.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntSliceVar(&options.workers, "workers", []int{1, 2, 3}, "how many processes; several numbers are measured one after the other")
	cmd.Flags().IntVar(&options.checks, "checks", 32, "how many checks each of them runs at once")
	cmd.Flags().DurationVar(&options.delay, "delay", 200*time.Millisecond, "how long a target takes to answer")
	cmd.Flags().DurationVar(&options.interval, "interval", 10*time.Second, "interval of each monitor")
	cmd.Flags().DurationVar(&options.length, "for", 20*time.Second, "how long to count, after two intervals")
	return cmd
}

// maxBenchWorkers bounds the processes: more say nothing of one machine.
const maxBenchWorkers = 64

func (o benchWorkers) validate() error {
	problems := numbersProblems("--workers", o.workers, maxBenchWorkers)
	if o.checks < 1 || o.checks > workers.MaxConcurrency {
		problems = append(problems, fmt.Errorf("read --checks: found %d, expected 1 to %d", o.checks, workers.MaxConcurrency))
	}
	if o.delay < time.Millisecond || o.delay >= o.interval {
		problems = append(problems, fmt.Errorf("read --delay: found %s, expected 1ms or more, and less than the interval of %s", o.delay, o.interval))
	}
	if o.interval < time.Second || o.interval%time.Second != 0 {
		problems = append(problems, fmt.Errorf("read --interval: found %s, expected whole seconds", o.interval))
	}
	if o.length < time.Second {
		problems = append(problems, fmt.Errorf("read --for: found %s, expected 1s or more", o.length))
	}
	return errors.Join(problems...)
}

// overload is how many more checks are due than the most workers can make.
const overload = 1.25

// able is how many checks a second so many workers can make.
func (o benchWorkers) able(n int) float64 {
	return float64(n*o.checks) / o.delay.Seconds()
}

// monitors is how many it takes to have more due than the most workers can make.
func (o benchWorkers) monitors() int {
	most := 0
	for _, n := range o.workers {
		most = max(most, n)
	}
	return int(overload*o.able(most)*o.interval.Seconds()) + 1
}

// run measures each number of workers, and prints a row for each.
func (o benchWorkers) run(ctx context.Context, stdout io.Writer) error {
	cli.Writef(stdout, "%d monitors every %s, targets that take %s, %d slots in each worker, %d processors\n",
		o.monitors(), o.interval, o.delay, o.checks, runtime.GOMAXPROCS(0))
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	cli.Writef(table, "workers\tchecks a second\tratio\tof what slots allow\tslots missed\t\n")
	first := 0.0
	for _, n := range o.workers {
		done, err := o.measure(ctx, n)
		if err != nil {
			return fmt.Errorf("measure %d workers: %w", n, err)
		}
		if first == 0 {
			first = done.pace
		}
		cli.Writef(table, "%d\t%.0f\t%.2f\t%.0f %%\t%s\t\n", n, done.pace, done.pace/first, 100*done.pace/o.able(n), reasons(done.missed))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}
