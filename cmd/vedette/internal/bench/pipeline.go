package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
	"vedette/pipeline/yardstick"
)

// benchPipeline are the flags of `vedette bench pipeline`.
type benchPipeline struct {
	jobs, concurrency, rounds int
	calls                     int
}

func benchPipelineCommand() *cobra.Command {
	var options benchPipeline
	cmd := &cobra.Command{
		Use:   "pipeline",
		Short: "Measure the pipeline alone, beside bare JetStream",
		Long: `Publishes jobs that do nothing, has a pool take and settle them, and tells how
many a second and at what cost, beside the same number of messages published
and acknowledged with nothing but the client library, in the same run, in
rounds of one after the other. Then it makes calls, one at a time, and tells
how long a caller waits. Server and client share the process.`,
		Example: "  vedette bench pipeline --jobs 200000 --concurrency 256",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.jobs < 1 || options.concurrency < 1 || options.rounds < 1 || options.calls < 1 {
				return cli.UsageError(cmd, errors.New("read flags: found a number below 1, expected 1 or more"))
			}
			return options.run(cmd)
		},
	}
	cmd.Flags().IntVar(&options.jobs, "jobs", 200_000, "how many jobs, in each round")
	cmd.Flags().IntVar(&options.concurrency, "concurrency", 256, "how many jobs run at once")
	cmd.Flags().IntVar(&options.rounds, "rounds", 3, "how many rounds; the middle one counts")
	cmd.Flags().IntVar(&options.calls, "calls", 2000, "how many calls")
	return cmd
}

// pace is what one round took.
type pace struct {
	took, cpu time.Duration
}

func (b benchPipeline) run(cmd *cobra.Command) (err error) {
	ctx := cmd.Context()
	dir, err := os.MkdirTemp("", "vedette-bench-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	p, err := pipeline.Connect(ctx, pipeline.Config{InProcess: server, User: broker.User, Password: server.Secret()})
	if err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(p, err) }()
	if err := p.Ensure(ctx); err != nil {
		return err
	}
	var bare, ours []pace
	for range b.rounds {
		took, err := measure(func() error {
			return yardstick.Jobs(ctx, server, broker.User, server.Secret(), b.jobs, benchBody())
		})
		if err != nil {
			return fmt.Errorf("run bare jetstream: %w", err)
		}
		bare = append(bare, took)
		if took, err = measure(func() error { return b.pool(ctx, p) }); err != nil {
			return fmt.Errorf("run pool: %w", err)
		}
		ours = append(ours, took)
	}
	waits, err := b.call(ctx, p)
	if err != nil {
		return fmt.Errorf("make calls: %w", err)
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), b.report(middle(ours), middle(bare), waits))
	return err
}

// benchBody is as long as a check's order is.
func benchBody() []byte { return bytes.Repeat([]byte("x"), 300) }

func measure(do func() error) (pace, error) {
	runtime.GC() // each round pays for its own garbage
	began, cpu := time.Now(), cpuTime()
	err := do()
	return pace{time.Since(began), cpuTime() - cpu}, err
}

func middle(rounds []pace) pace {
	slices.SortFunc(rounds, func(a, b pace) int { return cmp.Compare(a.took, b.took) })
	return rounds[len(rounds)/2]
}

// pool publishes jobs and has a pool do them, at once.
func (b benchPipeline) pool(ctx context.Context, p *pipeline.Pipeline) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var done atomic.Int64
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "bench", Stream: topology.Checks, Filter: topology.CheckSubject("bench", ">")}, Limit: b.concurrency,
		Handler: func(context.Context, pipeline.Delivery) error {
			if done.Add(1) == int64(b.jobs) {
				stop() // Serve returns when all are settled
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return workers.Serve(ctx) })
	group.Go(func() error { return b.publish(context.WithoutCancel(ctx), p) })
	return group.Wait()
}

func (b benchPipeline) publish(ctx context.Context, p *pipeline.Pipeline) error {
	body := benchBody()
	messages := make([]pipeline.Message, b.jobs)
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.CheckSubject("bench", strconv.Itoa(i)), Body: body}
	}
	return errors.Join(p.PublishAll(ctx, messages)...)
}

// call makes calls one after the other, through a queue, and returns how long
// each took until its answer was there.
func (b benchPipeline) call(ctx context.Context, p *pipeline.Pipeline) ([]time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	replies, err := p.Replies()
	if err != nil {
		return nil, err
	}
	defer replies.Close() //nolint:errcheck // the connection is closed next
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "bench", Stream: topology.Call}, Limit: b.concurrency,
		Handler: func(ctx context.Context, d pipeline.Delivery) error { return p.Reply(ctx, d.Reply, d.Body) },
	})
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- workers.Serve(ctx) }()
	waits := make([]time.Duration, b.calls)
	for i := range waits {
		began := time.Now()
		address, answer, end := replies.Await()
		err := p.Publish(ctx, pipeline.Message{Subject: topology.CallMailSubject(strconv.Itoa(i)), Body: benchBody(), Reply: address})
		if err != nil {
			return nil, err
		}
		select {
		case <-answer:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		end()
		waits[i] = time.Since(began)
	}
	stop()
	return waits, <-served
}

func (b benchPipeline) report(ours, bare pace, waits []time.Duration) string {
	slices.Sort(waits)
	rate := func(p pace) float64 { return float64(b.jobs) / p.took.Seconds() }
	cost := func(p pace) float64 { return p.cpu.Seconds() / float64(b.jobs) * 1e6 }
	quantile := func(q float64) time.Duration { return waits[int(q*float64(len(waits)-1))].Round(time.Microsecond) }
	return fmt.Sprintf(`%d jobs, %d at once, %d processors
pool            %8.0f jobs a second  %6.1f CPU-seconds a million  published, delivered, settled
bare JetStream  %8.0f jobs a second  %6.1f CPU-seconds a million  published, delivered, acknowledged
ratio               %.2f                 %.2f
a call waits    p50 %s, p99 %s, through its queue, one call at a time
`, b.jobs, b.concurrency, runtime.GOMAXPROCS(0), rate(ours), cost(ours), rate(bare), cost(bare),
		rate(ours)/rate(bare), cost(ours)/cost(bare), quantile(0.5), quantile(0.99))
}
