package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/mail"
	"vedette/workers/web"
)

// load describes the monitors in a run and their targets.
type load struct {
	interval, length time.Duration
	silent           int // percentage without an answer
	timeout, delay   time.Duration
	checks           int // concurrency limit
	profile          string
}

// run measures an installation with n monitors.
type run struct {
	load

	n     int
	urls  []string
	cost  func() (time.Duration, error) // the targets' CPU time so far
	tally *tally
	figures
}

// figures are measured in addition to the counts.
type figures struct {
	stored, firstCheck time.Duration
	all                time.Duration // until each monitor was checked; zero after more than two intervals
	used               pace          // during the counted time
	arrived            int           // results in it
	targets            time.Duration // the targets' CPU time in it
	memory             memory
	bare               pace
	requests           int // in the bare loop
}

// maxBare bounds the bare loop.
const maxBare = 20_000

// measure runs an installation with n monitors, then a bare loop over the same
// targets.
func (l load) measure(ctx context.Context, n int, urls []string, cost func() (time.Duration, error)) (*run, error) {
	r := &run{load: l, n: n, urls: urls, cost: cost, tally: newTally(n, l)}
	err := withServer(ctx, broker.Config{}, func(p *pipeline.Pipeline, _ *broker.Broker) error { return r.install(ctx, p) })
	if err != nil {
		return nil, err
	}
	r.requests = min(max(r.arrived, 1), maxBare)
	r.bare, err = measure(func() error { return bareLoop(ctx, urls, r.requests) })
	return r, err
}

// bareLoop makes the same requests without an installation, as many at once as
// there are processors.
func bareLoop(ctx context.Context, urls []string, requests int) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	err := repeat(ctx, requests, processors(), func(ctx context.Context, i int) error {
		return get(ctx, client, urls[i%len(urls)]+promptPath)
	})
	if err != nil {
		return fmt.Errorf("run bare loop: %w", err)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}

// install stores the monitors and runs all stages, as 'vedette run' does.
func (r *run) install(ctx context.Context, p *pipeline.Pipeline) error {
	began := time.Now()
	err := define(ctx, p, r.n, func(i int) job.Monitor {
		return job.Monitor{
			Interval: job.Duration(r.interval), Spec: job.Spec{HTTP: &job.HTTP{URL: r.target(i)}, Timeout: job.Duration(r.timeout)},
		}
	})
	if err != nil {
		return err
	}
	r.stored = time.Since(began)
	cli.ReleaseMemory(r.n)
	checker, err := check.New(check.Config{})
	if err != nil {
		return err
	}
	services, err := stages(workers.Config{Pipeline: p, Prober: checker, NewMailer: idleMailer, Limits: workers.Limits{Checks: r.checks}})
	if err != nil {
		return err
	}
	feed := &instance.Feed{Pipeline: p, Monitors: web.NewMonitorTable(), Heartbeats: workers.NewHeartbeats(p), Results: r.tally.add}
	// Without a presence, misses would be attributed to missing workers.
	presence := process.NewPresence(p, process.Config{Version: cli.Version(), Stages: instance.AllStages(), Location: job.DefaultLocation})
	return operate(ctx, r.take, append(services, feed.Serve, presence.Serve)...)
}

// target returns the URL for a monitor.
func (r *run) target(i int) string {
	url := r.urls[i%len(r.urls)]
	if silentTarget(i, r.silent) {
		url += silentPath
	}
	return url + strconv.Itoa(i)
}

// idleMailer makes a mailer for an installation without recipients.
func idleMailer(deliveries workers.Deliveries) (workers.Mailer, error) {
	sender, err := mail.New(mail.Config{Relays: []mail.Relay{{Host: "127.0.0.1", Port: 1, TLS: mail.TLSNone}}, From: "vedette@example.org", CheckInterval: -1})
	if err != nil {
		return nil, err
	}
	worker, err := mail.NewWorker(mail.WorkerConfig{Transport: sender, Deliveries: deliveries})
	return &instance.Mailer{Worker: worker, Sender: sender}, err
}

const (
	// firstPatience bounds the wait for the first check, which needs all
	// definitions.
	firstPatience = 5 * time.Minute
	// lastPatience bounds the wait for the results from the last slots.
	lastPatience = 15 * time.Second
)

// take warms up, counts the slots in whole intervals, and takes the figures.
func (r *run) take(ctx context.Context) error {
	began := time.Now()
	if err := r.tally.awaitFirst(ctx); err != nil {
		return err
	}
	r.firstCheck = r.tally.firstStart.Sub(began)
	select {
	case <-r.tally.all:
		r.all = time.Since(began)
	case <-time.After(2*r.interval + time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	from := time.Now().Truncate(time.Second).Add(time.Second)
	r.tally.begin(from)
	if err := harness.Wait(ctx, time.Until(from)); err != nil {
		return err
	}
	if err := r.window(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, r.interval+lastPatience)
	defer cancel()
	_ = harness.Poll(limited, func() bool { return r.tally.open() <= 0 }) // the report has the rest
	return ctx.Err()
}

// awaitFirst waits for the first result.
func (t *tally) awaitFirst(ctx context.Context) error {
	select {
	case <-t.first:
		return nil
	case <-time.After(firstPatience):
		return fmt.Errorf("await first check: none ran within %s", firstPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// window takes the figures for the counted time.
func (r *run) window(ctx context.Context) error {
	stop, err := startProfile(r.profile, r.n)
	if err != nil {
		return err
	}
	before, _ := r.tally.arrivals()
	targets, err := r.cost()
	if err == nil {
		r.used, err = measure(func() error { return harness.Wait(ctx, r.length) })
	}
	r.memory = readMemory()
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	arrived, _ := r.tally.arrivals()
	used, err := r.cost()
	r.arrived, r.targets = arrived-before, used-targets
	return err
}
