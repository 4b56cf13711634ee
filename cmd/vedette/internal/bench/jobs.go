package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
	"vedette/pipeline/yardstick"
)

// jobScenario is `vedette bench pipeline`.
type jobScenario struct {
	jobs, concurrency, rounds, calls int
}

func jobsCommand() *cobra.Command {
	var s jobScenario
	cmd := &cobra.Command{
		Use:   "pipeline",
		Short: "Compare the pipeline with bare JetStream",
		Long: `Publishes jobs that do nothing, and runs and settles them in a pool. It prints
jobs per second and CPU time, compared with the same number of messages that are
published and acknowledged with only the client library; rounds of both take
turns. Then it makes calls, one at a time, and prints how long a caller waits.
Server and client share the process.`,
		Example: "  vedette bench pipeline --jobs 200000 --concurrency 256",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := harness.CheckFlags(cmd, harness.AtLeastOne("--jobs", s.jobs), harness.AtLeastOne("--concurrency", s.concurrency),
				harness.AtLeastOne("--rounds", s.rounds), harness.AtLeastOne("--calls", s.calls))
			if err != nil {
				return err
			}
			return withServer(cmd.Context(), broker.Config{}, func(p *pipeline.Pipeline, b *broker.Broker) error {
				return s.run(cmd.Context(), p, b, cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().IntVar(&s.jobs, "jobs", 200_000, "number of jobs in each round")
	cmd.Flags().IntVar(&s.concurrency, "concurrency", 256, "how many jobs run at once")
	cmd.Flags().IntVar(&s.rounds, "rounds", 3, "number of rounds; the median counts")
	cmd.Flags().IntVar(&s.calls, "calls", 2000, "number of calls")
	return cmd
}

func (s jobScenario) run(ctx context.Context, p *pipeline.Pipeline, b *broker.Broker, stdout io.Writer) error {
	var bare, ours []pace
	server := yardstick.Server{InProcess: b, User: broker.User, Password: b.Secret()}
	for range s.rounds {
		runtime.GC() // each side pays for its own garbage
		took, err := measure(func() error { return yardstick.Jobs(ctx, server, s.jobs, jobBody()) })
		if err != nil {
			return fmt.Errorf("run bare jetstream: %w", err)
		}
		bare = append(bare, took)
		runtime.GC()
		if took, err = measure(func() error { return s.pool(ctx, p) }); err != nil {
			return fmt.Errorf("run pool: %w", err)
		}
		ours = append(ours, took)
	}
	waits, err := s.call(ctx, p)
	if err != nil {
		return fmt.Errorf("make calls: %w", err)
	}
	_, err = fmt.Fprint(stdout, s.report(median(ours), median(bare), waits))
	return err
}

// jobBody is as long as a typical check.
func jobBody() []byte { return bytes.Repeat([]byte("x"), 300) }

// pool publishes the jobs while a pool runs them.
func (s jobScenario) pool(ctx context.Context, p *pipeline.Pipeline) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var done atomic.Int64
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "bench", Stream: topology.Checks, Filter: topology.CheckSubject("bench", ">")}, Limit: s.concurrency,
		Handler: func(context.Context, pipeline.Delivery) error {
			if done.Add(1) == int64(s.jobs) {
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
	group.Go(func() error {
		messages := make([]pipeline.Message, s.jobs)
		for i := range messages {
			messages[i] = pipeline.Message{Subject: topology.CheckSubject("bench", strconv.Itoa(i)), Body: jobBody()}
		}
		return errors.Join(p.PublishAll(context.WithoutCancel(ctx), messages)...)
	})
	return group.Wait()
}

// call makes calls one at a time and measures the time until the reply.
func (s jobScenario) call(ctx context.Context, p *pipeline.Pipeline) (*spread, error) {
	replies, err := p.Replies()
	if err != nil {
		return nil, err
	}
	defer replies.Close() //nolint:errcheck // the connection is closed next
	workers, err := pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "bench", Stream: topology.Call}, Limit: s.concurrency,
		Handler: func(ctx context.Context, d pipeline.Delivery) error { return p.Reply(ctx, d.Reply, d.Body) },
	})
	if err != nil {
		return nil, err
	}
	waits := &spread{}
	return waits, operate(ctx, func(ctx context.Context) error {
		for i := range s.calls {
			began := time.Now()
			address, answer, end := replies.Await()
			err := p.Publish(ctx, pipeline.Message{Subject: topology.CallMailSubject(strconv.Itoa(i)), Body: jobBody(), Reply: address})
			if err != nil {
				return err
			}
			select {
			case <-answer:
			case <-ctx.Done():
				return ctx.Err()
			}
			end()
			waits.add(time.Since(began))
		}
		return nil
	}, workers.Serve)
}

func (s jobScenario) report(ours, bare pace, waits *spread) string {
	million := func(p pace) float64 { return 1000 * p.perThousand(s.jobs) }
	return fmt.Sprintf(`%d jobs, %d at once, %d processors
pool            %8.0f jobs a second  %6.1f CPU-seconds a million  published, delivered, settled
bare JetStream  %8.0f jobs a second  %6.1f CPU-seconds a million  published, delivered, acknowledged
ratio               %.2f                 %.2f
a call waits    %s, through its queue, one call at a time
`, s.jobs, s.concurrency, processors(), ours.rate(s.jobs), million(ours), bare.rate(s.jobs), million(bare),
		ours.rate(s.jobs)/bare.rate(s.jobs), million(ours)/million(bare), waits)
}
