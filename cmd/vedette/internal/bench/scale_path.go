package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/compact"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/producer"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/web"
)

// scaleRun is the measurement of one number of monitors.
type scaleRun struct {
	benchScale

	n        int
	farm     *targetFarm
	pipeline *pipeline.Pipeline
	count    *scaleCount
	figures  scaleFigures
}

// scaleFigures are what was found beside the counts.
type scaleFigures struct {
	apply, firstCheck, all time.Duration // all is zero when not each monitor was checked
	cpu, targets           time.Duration // used in the time that counts
	arrived                int           // results in that time
	took                   time.Duration
	memory                 memory
	bare                   bare
}

// measure runs the path, then the bare loop, and prints both.
func (o benchScale) measure(ctx context.Context, n int, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "vedette-bench-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	farm, err := startFarm(ctx, o.delay)
	if err != nil {
		return err
	}
	defer farm.stop()
	r := &scaleRun{benchScale: o, n: n, farm: farm, count: newScaleCount(n, o.interval, o.length)}
	r.count.silent = o.silent
	if err := withServer(ctx, broker.Config{Dir: dir}, func(p *pipeline.Pipeline) error { return r.path(ctx, p) }); err != nil {
		return err
	}
	if r.figures.bare, err = bareLoop(ctx, farm.prompt(), min(max(r.figures.arrived, 1), maxBare)); err != nil {
		return err
	}
	_, err = fmt.Fprint(stdout, r.report())
	return err
}

// path stores the definitions, and watches.
func (r *scaleRun) path(ctx context.Context, p *pipeline.Pipeline) error {
	r.pipeline = p
	began := time.Now()
	definitions, err := r.definitions()
	if err != nil {
		return err
	}
	if _, err := producer.Apply(ctx, r.pipeline, definitions, false); err != nil {
		return err
	}
	r.figures.apply = time.Since(began)
	cli.ReleaseMemory(r.n) // as 'vedette run' is
	return r.watch(ctx)
}

// definitions are encoded one after the other, as those of a file are: a list of
// a million would be most of the memory at most.
func (r *scaleRun) definitions() (producer.Definitions, error) {
	encoded := &compact.Map[uint32]{}
	for i := range r.n {
		body, err := job.Encode(job.Monitor{
			V: job.Version, Name: scaleName(i), Interval: job.Duration(r.interval),
			Spec: job.Spec{HTTP: &job.HTTP{URL: r.target(i)}, Timeout: job.Duration(r.timeout)},
		})
		if err != nil {
			return producer.Definitions{}, err
		}
		encoded.Put(scaleName(i), body)
	}
	return producer.Definitions{Encoded: encoded}, nil
}

// target is the URL of a monitor.
func (r *scaleRun) target(i int) string {
	url := r.farm.urls[i%len(r.farm.urls)]
	if silentTarget(i, r.silent) {
		url += silentPath
	}
	return url + strconv.Itoa(i)
}

// watch runs what 'vedette run' does with all roles, and counts.
func (r *scaleRun) watch(ctx context.Context) error {
	checker, err := check.New(check.Config{})
	if err != nil {
		return err
	}
	work, err := workers.New(workers.Config{Pipeline: r.pipeline, Prober: checker, NewMailer: noMailer, Limits: workers.Limits{Checks: r.checks}})
	if err != nil {
		return err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: r.pipeline})
	if err != nil {
		return err
	}
	board := &instance.Feed{
		Pipeline: r.pipeline, Monitors: web.NewMonitorTable(), Heartbeats: workers.NewHeartbeats(r.pipeline), Results: r.count.add,
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(running)
	presence := process.NewPresence(r.pipeline, process.Config{Version: cli.Version(), Stages: instance.AllStages(), Location: job.DefaultLocation})
	group.Go(func() error { return presence.Serve(running) }) // or misses would be blamed on workers that nobody sees
	group.Go(func() error { return board.Serve(running) })
	group.Go(func() error { return work.Serve(running) })
	group.Go(func() error { return scheduler.Serve(running) })
	err = r.take(running)
	stop()
	return errors.Join(err, group.Wait())
}

const (
	// firstPatience bounds the wait for the first check, which comes when all
	// definitions were read.
	firstPatience = 5 * time.Minute
	// lastPatience bounds the wait for results of the last slots.
	lastPatience = 15 * time.Second
	lookAgain    = 100 * time.Millisecond
)

// take waits until each monitor was checked once, has the slots of whole
// intervals count, and takes the figures of that time.
func (r *scaleRun) take(ctx context.Context) error {
	began := time.Now()
	if err := r.warm(ctx, began); err != nil {
		return err
	}
	from := time.Now().Truncate(time.Second).Add(time.Second)
	r.count.begin(from)
	if err := until(ctx, from); err != nil {
		return err
	}
	if err := r.window(ctx); err != nil {
		return err
	}
	limit := time.Now().Add(r.interval + lastPatience)
	for r.count.open() > 0 && time.Now().Before(limit) {
		if err := until(ctx, time.Now().Add(lookAgain)); err != nil {
			return err
		}
	}
	return nil
}

// warm waits until each monitor was checked once, or for two intervals after
// the first check.
func (r *scaleRun) warm(ctx context.Context, began time.Time) error {
	limit := time.NewTimer(firstPatience)
	defer limit.Stop()
	select {
	case <-r.count.any:
	case <-limit.C:
		return fmt.Errorf("await first check: none came within %s", firstPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
	r.figures.firstCheck = r.count.began().Sub(began)
	limit.Reset(2*r.interval + time.Second)
	select {
	case <-r.count.all:
		r.figures.all = time.Since(began)
	case <-limit.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// window lets the time that counts pass, and takes what was used in it.
func (r *scaleRun) window(ctx context.Context) error {
	stop, err := startProfile(r.profile, r.n)
	if err != nil {
		return err
	}
	began, cpu, arrived := time.Now(), cpuTime(), r.count.results()
	targets, err := r.farm.cost()
	if err == nil {
		err = until(ctx, began.Add(r.length))
	}
	f := &r.figures
	f.took, f.cpu, f.arrived, f.memory = time.Since(began), cpuTime()-cpu, r.count.results()-arrived, readMemory()
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	used, err := r.farm.cost()
	f.targets = used - targets
	return err
}

// until waits for a time to come.
func until(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
