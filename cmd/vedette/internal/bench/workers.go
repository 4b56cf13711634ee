package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
)

// workerScenario is `vedette bench workers`.
type workerScenario struct {
	load

	workers []int
}

func workersCommand() *cobra.Command {
	var s workerScenario
	cmd := &cobra.Command{
		Use:   "workers",
		Short: "Measure the gain from more check workers for slow targets",
		Long: `Checks slow web servers on loopback with check workers in separate processes,
as 'vedette worker' runs them, each with its own connection. More checks are due
than all workers can make, so the result is the number of checks made: with one
worker, with two, with three.

For each number it prints the checks per second, their ratio to the first row,
their part of what the slots allow (workers times slots, divided by the delay of
a target), and the missed slots with the reasons. Clock, scheduler, server and
evaluator are in the measuring process. Only loopback is contacted, and
everything is removed.`,
		Example: "  vedette bench workers --workers 1,2,3 --checks 32 --delay 200ms",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := harness.CheckFlags(cmd, s.limits()...); err != nil {
				return err
			}
			return s.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntSliceVar(&s.workers, "workers", []int{1, 2, 3}, "numbers of processes, measured one after the other")
	cmd.Flags().IntVar(&s.checks, "checks", 32, "how many checks each process runs at once")
	cmd.Flags().DurationVar(&s.delay, "delay", 200*time.Millisecond, "delay of each answer")
	cmd.Flags().DurationVar(&s.interval, "interval", 10*time.Second, "interval of each monitor")
	cmd.Flags().DurationVar(&s.length, "for", 20*time.Second, "how long to count, after two intervals")
	return cmd
}

// maxWorkers bounds the processes on one machine.
const maxWorkers = 64

func (s workerScenario) limits() []harness.Limit {
	return append(numbers("--workers", s.workers, maxWorkers),
		upTo("--checks", s.checks, workers.MaxConcurrency),
		harness.Limit{Flag: "--delay", Found: s.delay, Holds: s.delay >= time.Millisecond && s.delay < s.interval, Expected: fmt.Sprintf("1ms or more, and less than the interval of %s", s.interval)},
		wholeSeconds("--interval", s.interval),
		harness.Limit{Flag: "--for", Found: s.length, Holds: s.length >= time.Second, Expected: "1s or more"})
}

// overload is the ratio of due checks to what the workers can make.
const overload = 1.25

// capacity returns how many checks n workers can make in a second.
func (s workerScenario) capacity(n int) float64 { return float64(n*s.checks) / s.delay.Seconds() }

func (s workerScenario) monitors() int {
	return int(overload*s.capacity(slices.Max(s.workers))*s.interval.Seconds()) + 1
}

// run prints a row for each number of workers.
func (s workerScenario) run(ctx context.Context, stdout io.Writer) error {
	cli.Writef(stdout, "%d monitors every %s, targets that take %s, %d slots in each worker, %d processors\n",
		s.monitors(), s.interval, s.delay, s.checks, processors())
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	cli.Writef(table, "workers\tchecks a second\tratio\tof what slots allow\tslots missed\t\n")
	first := 0.0
	for _, n := range s.workers {
		speed, missed, err := s.measure(ctx, n)
		if err != nil {
			return fmt.Errorf("measure %d workers: %w", n, err)
		}
		if first == 0 {
			first = speed
		}
		cli.Writef(table, "%d\t%.0f\t%.2f\t%.0f %%\t%s\t\n", n, speed, speed/first, 100*speed/s.capacity(n), missed)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	return nil
}

// measure runs a new installation with n workers.
func (s workerScenario) measure(ctx context.Context, n int) (speed float64, missed misses, err error) {
	targets, server, err := startTargets(s.delay)
	if err != nil {
		return 0, nil, err
	}
	defer server.Stop()
	t := newTally(s.monitors(), s.load)
	err = withServer(ctx, broker.Config{Listen: "127.0.0.1:0"}, func(p *pipeline.Pipeline, b *broker.Broker) error {
		err := define(ctx, p, s.monitors(), func(i int) job.Monitor {
			url := targets.URLs[i%len(targets.URLs)] + strconv.Itoa(i)
			return job.Monitor{Interval: job.Duration(s.interval), Spec: job.Spec{HTTP: &job.HTTP{URL: url}, Timeout: job.Duration(s.interval)}}
		})
		if err != nil {
			return err
		}
		var crew []*harness.Process
		defer func() {
			for _, worker := range crew {
				worker.Stop()
			}
		}()
		for range n {
			worker, err := startWorker(b.URL(), s.checks)
			if err != nil {
				return err
			}
			crew = append(crew, worker)
		}
		services, err := stages(workers.Config{Pipeline: p, Stages: []string{workers.StageEvaluate}})
		if err != nil {
			return err
		}
		results := func(ctx context.Context) error { return inspect.Tail(ctx, p, topology.Result, 0, t.addDelivery) }
		take := func(ctx context.Context) (err error) { speed, err = s.count(ctx, t); return err }
		return operate(ctx, take, append(services, results)...)
	})
	return speed, t.total.missed, err
}

// count returns the successful checks per second, once the queue has settled for
// two intervals.
func (s workerScenario) count(ctx context.Context, t *tally) (float64, error) {
	if err := t.awaitFirst(ctx); err != nil {
		return 0, err
	}
	if err := harness.Wait(ctx, 2*s.interval); err != nil {
		return 0, err
	}
	t.begin(time.Now())
	_, before := t.arrivals()
	took, err := measure(func() error { return harness.Wait(ctx, s.length) })
	_, after := t.arrivals()
	return took.rate(after - before), err
}

// startWorker starts a check worker, with the password out of sight.
func startWorker(url string, checks int) (*harness.Process, error) {
	cmd, err := harness.Command("child", "worker", "--log-level", "error", "--concurrency", strconv.Itoa(checks))
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "NATS_URL="+url)
	return harness.Start(cmd, func(err error) { cli.Writef(os.Stderr, "vedette: worker ended: %v\n", err) })
}
