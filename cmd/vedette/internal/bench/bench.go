// Package bench measures Vedette on one machine, against other ways to do the
// same work.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/producer"
	"vedette/workers"
	"vedette/workers/check"
)

// benchOptions are the flags of `vedette bench`.
type benchOptions struct {
	monitors int
	interval time.Duration
	length   time.Duration
}

// Command is `vedette bench`.
func Command() *cobra.Command {
	var options benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the whole path on this machine",
		Long: `Watches many monitors of one web server on loopback, in this process, through
the whole path: clock, check, result, judgement. It prints how many results
came, how late, and what they cost, beside a bare loop of the same requests in
the same run. Nothing but loopback is contacted, and everything is removed.`,
		Example: "  vedette bench --monitors 1000 --interval 10s --for 1m",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.monitors < 1 || options.interval < time.Second || options.length < options.interval {
				return cli.UsageError(cmd, errors.New("read flags: expected 1 monitor or more, an interval of 1s or more, and at least one interval of time"))
			}
			return options.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.AddCommand(benchPipelineCommand(), benchProbeCommand(), benchMailCommand(), benchScaleCommand(), benchApplyCommand(), benchWorkersCommand(), benchWorkerCommand(), benchSinkCommand(), benchTargetsCommand(), benchFarmCommand())
	cmd.Flags().IntVar(&options.monitors, "monitors", 1000, "how many monitors")
	cmd.Flags().DurationVar(&options.interval, "interval", 10*time.Second, "interval of each")
	cmd.Flags().DurationVar(&options.length, "for", time.Minute, "how long to count, after each was checked once")
	return cmd
}

// run measures the path, then the bare loop, and prints both.
func (o benchOptions) run(ctx context.Context, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "vedette-bench-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	target, stop, err := benchTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var counted tally
	err = withServer(ctx, broker.Config{Dir: dir}, func(p *pipeline.Pipeline) error {
		counted, err = o.watch(ctx, p, target)
		return err
	})
	if err != nil {
		return err
	}
	bare, err := bareLoop(ctx, []string{target}, min(counted.results, maxBare))
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(stdout, o.report(counted, bare))
	return err
}

// maxBare bounds the bare loop: more requests tell no more.
const maxBare = 20_000

// benchTarget serves "ok" on loopback.
func benchTarget(ctx context.Context) (string, func(), error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen for targets: %w", err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n") // a check that went away is its own affair
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it returns when it is closed
	}()
	return "http://" + listener.Addr().String(), func() {
		_ = server.Close() // nobody needs its connections any more
		<-done
	}, nil
}

// tally is what was counted.
type tally struct {
	firstAll time.Duration // from the start until each monitor was checked once
	results  int           // in the time that counts
	missed   int
	late     []time.Duration // of each result, its check's start after its slot
	cpu      time.Duration
	length   time.Duration
}

// watch runs the path, and counts.
func (o benchOptions) watch(ctx context.Context, p *pipeline.Pipeline, target string) (t tally, err error) {
	if _, err := producer.Apply(ctx, p, o.definitions(target), false); err != nil {
		return t, err
	}
	checker, err := check.New(check.Config{})
	if err != nil {
		return t, err
	}
	work, err := workers.New(workers.Config{Pipeline: p, Prober: checker, NewMailer: noMailer})
	if err != nil {
		return t, err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: p})
	if err != nil {
		return t, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return work.Serve(running) })
	group.Go(func() error { return scheduler.Serve(running) })
	t, countErr := o.count(running, p)
	stop()
	return t, errors.Join(countErr, group.Wait())
}

func (o benchOptions) definitions(target string) producer.Definitions {
	monitors := make([]job.Monitor, o.monitors)
	for i := range monitors {
		monitors[i] = job.Monitor{
			V: job.Version, Name: fmt.Sprintf("bench-%d", i), Interval: job.Duration(o.interval),
			Spec: job.Spec{HTTP: &job.HTTP{URL: target}, Timeout: job.Duration(5 * time.Second)},
		}
	}
	return producer.Definitions{Monitors: monitors}
}

// noMailer is for a run in which nothing goes down.
func noMailer(workers.Deliveries) (workers.Mailer, error) { return noMail{}, nil }

type noMail struct{}

// Open is always true.
func (noMail) Available() bool { return true }

// Serve has nothing to look after.
func (noMail) Serve(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Close has nothing to end.
func (noMail) Close() {}

// Keep has nothing to keep.
func (noMail) StoreCopy(context.Context, job.Mail, time.Time) error { return nil }

// Handle refuses, since no mail was expected.
func (noMail) Handle(context.Context, job.Mail, time.Time) error {
	return job.Dead(job.ReasonInvalid, errors.New("send mail: none is sent in a benchmark"))
}

// count follows the results: until each monitor has one, then for the time that
// counts.
func (o benchOptions) count(ctx context.Context, p *pipeline.Pipeline) (tally, error) {
	var t tally
	began := time.Now()
	seen := make(map[string]bool, o.monitors)
	var from time.Time
	var cpu time.Duration
	ctx, enough := context.WithTimeout(ctx, o.interval*3+o.length+time.Minute)
	defer enough()
	err := inspect.Tail(ctx, p, topology.Result, 0, func(d pipeline.Delivery) {
		batch, err := job.Decode[job.Results](d.Body)
		if err != nil {
			return
		}
		for i := range batch.Results {
			seen[batch.Results[i].Monitor] = true
			if !from.IsZero() {
				t.add(&batch.Results[i])
			}
		}
		switch {
		case from.IsZero() && len(seen) == o.monitors:
			from, cpu = time.Now(), cpuTime()
			t.firstAll = from.Sub(began)
		case !from.IsZero() && time.Since(from) >= o.length:
			t.length, t.cpu = time.Since(from), cpuTime()-cpu
			enough()
		}
	})
	if t.length == 0 {
		return t, errors.Join(fmt.Errorf("count results: only %d of %d monitors were checked in time", len(seen), o.monitors), err)
	}
	return t, nil
}

func (t *tally) add(r *job.Result) {
	if r.Miss != nil {
		t.missed += r.Miss.Count
		return
	}
	t.results++
	t.late = append(t.late, r.ProbeResult.Started.Sub(r.Slot))
}

// cpuTime is what this process has used, user and system.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// bare is the cost of the bare loop.
type bare struct {
	requests int
	cpu      time.Duration
}

// bareLoop makes the same requests with nothing around them: a new connection
// for each, as many at once as there are processors.
func bareLoop(ctx context.Context, targets []string, requests int) (bare, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	cpu := cpuTime()
	for i := range requests {
		group.Go(func() error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, targets[i%len(targets)], http.NoBody)
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, response.Body)
			return errors.Join(err, response.Body.Close())
		})
	}
	if err := group.Wait(); err != nil {
		return bare{}, fmt.Errorf("run bare loop: %w", err)
	}
	return bare{requests, cpuTime() - cpu}, nil
}
