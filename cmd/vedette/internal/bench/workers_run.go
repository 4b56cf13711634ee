package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/producer"
	"vedette/workers"
)

// workersDone is what was counted of a number of workers.
type workersDone struct {
	pace   float64 // checks a second
	missed map[job.MissReason]int
}

// measure runs everything anew for one number of workers.
func (o benchWorkers) measure(ctx context.Context, n int) (done workersDone, err error) {
	dir, err := os.MkdirTemp("", "vedette-bench-*")
	if err != nil {
		return done, fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	farm, err := startFarm(ctx, o.delay)
	if err != nil {
		return done, err
	}
	defer farm.stop()
	err = withServer(ctx, broker.Config{Dir: dir, Listen: "127.0.0.1:0"}, func(p *pipeline.Pipeline) error {
		done, err = o.staffed(ctx, p, dir, n, farm.urls)
		return err
	})
	return done, err
}

// staffed counts what a number of workers make.
func (o benchWorkers) staffed(ctx context.Context, p *pipeline.Pipeline, dir string, n int, urls []string) (done workersDone, err error) {
	if _, err := producer.Apply(ctx, p, o.definitions(urls), false); err != nil {
		return done, err
	}
	url, err := broker.FindURL(dir)
	if err != nil {
		return done, err
	}
	crew, err := startCrew(ctx, url, n, o.checks)
	defer crew.stop()
	if err != nil {
		return done, err
	}
	return o.watch(ctx, p)
}

func (o benchWorkers) definitions(urls []string) producer.Definitions {
	monitors := make([]job.Monitor, o.monitors())
	for i := range monitors {
		monitors[i] = job.Monitor{
			V: job.Version, Name: scaleName(i), Interval: job.Duration(o.interval),
			Spec: job.Spec{HTTP: &job.HTTP{URL: urls[i%len(urls)] + strconv.Itoa(i)}, Timeout: job.Duration(o.interval)},
		}
	}
	return producer.Definitions{Monitors: monitors}
}

// watch does all but the checks in this process, and counts.
func (o benchWorkers) watch(ctx context.Context, p *pipeline.Pipeline) (workersDone, error) {
	work, err := workers.New(workers.Config{Pipeline: p, Stages: []string{workers.StageEvaluate}})
	if err != nil {
		return workersDone{}, err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: p})
	if err != nil {
		return workersDone{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { return work.Serve(running) })
	group.Go(func() error { return scheduler.Serve(running) })
	count := &crewCount{first: make(chan struct{}), missed: map[job.MissReason]int{}}
	group.Go(func() error { return inspect.Tail(running, p, topology.Result, 0, count.add) })
	done, err := o.count(running, count)
	stop()
	return done, errors.Join(err, group.Wait())
}

// count waits until checks are made, lets the queue settle for two intervals, and counts.
func (o benchWorkers) count(ctx context.Context, c *crewCount) (workersDone, error) {
	limit := time.NewTimer(firstPatience)
	defer limit.Stop()
	select {
	case <-c.first:
	case <-limit.C:
		return workersDone{}, fmt.Errorf("await first check: none came within %s", firstPatience)
	case <-ctx.Done():
		return workersDone{}, ctx.Err()
	}
	if err := until(ctx, time.Now().Add(2*o.interval)); err != nil {
		return workersDone{}, err
	}
	c.begin()
	began := time.Now()
	if err := until(ctx, began.Add(o.length)); err != nil {
		return workersDone{}, err
	}
	return c.end(time.Since(began)), nil
}

// crewCount counts results.
type crewCount struct {
	first chan struct{} // closed with the first check

	mu     sync.Mutex
	any    bool
	made   int
	missed map[job.MissReason]int
}

func (c *crewCount) add(d pipeline.Delivery) {
	batch, err := job.Decode[job.Results](d.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch.Results {
		switch r := &batch.Results[i]; {
		case r.Miss != nil:
			c.missed[r.Miss.Reason] += r.Miss.Count
		case r.ProbeResult != nil && r.ProbeResult.Health == job.Up:
			c.made++
			if !c.any {
				c.any = true
				close(c.first)
			}
		}
	}
}

// begin has what comes from now on count.
func (c *crewCount) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made, c.missed = 0, map[job.MissReason]int{}
}

func (c *crewCount) end(took time.Duration) workersDone {
	c.mu.Lock()
	defer c.mu.Unlock()
	return workersDone{pace: float64(c.made) / took.Seconds(), missed: c.missed}
}

// benchWorkerCommand is a worker as 'vedette worker' is one, that ends with the
// process that measures it.
func benchWorkerCommand() *cobra.Command {
	options := instance.Options{Location: job.DefaultLocation, Stages: []string{workers.StageCheck}, LogFormat: "text", LogLevel: "error"}
	cmd := &cobra.Command{
		Use: "worker", Short: "A worker of a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := cli.StdinContext(cmd.Context())
			defer cancel()
			options.NATS = os.Getenv("NATS_URL")
			return options.Work(ctx, "", io.Discard, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&options.Concurrency, "concurrency", 0, "how many checks it runs at once")
	return cmd
}

// crew are such workers.
type crew struct {
	processes []*exec.Cmd
	leashes   []io.Closer
}

// startCrew starts them. What was started before an error is in the crew, too.
func startCrew(ctx context.Context, url string, n, checks int) (*crew, error) {
	c := &crew{}
	self, err := os.Executable()
	if err != nil {
		return c, fmt.Errorf("find the program: %w", err)
	}
	for range n {
		cmd := exec.CommandContext(ctx, self, "bench", "worker", "--concurrency", strconv.Itoa(checks)) //nolint:gosec // ourselves
		cmd.Env = append(os.Environ(), "NATS_URL="+url)
		cmd.Stderr = os.Stderr
		leash, err := cmd.StdinPipe()
		if err != nil {
			return c, fmt.Errorf("start worker: %w", err)
		}
		if err := cmd.Start(); err != nil {
			return c, fmt.Errorf("start worker: %w", err)
		}
		c.processes, c.leashes = append(c.processes, cmd), append(c.leashes, leash)
	}
	return c, nil
}

// stop ends all of them.
func (c *crew) stop() {
	for _, leash := range c.leashes {
		_ = leash.Close()
	}
	for _, cmd := range c.processes {
		_ = cmd.Wait() // how it ends is nobody's affair
	}
}
