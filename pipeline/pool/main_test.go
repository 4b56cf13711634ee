package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// The test binary is a worker too: started with these variables it serves a
// pool in a process of its own, which tests can kill.
const (
	beWorker    = "VEDETTE_TEST_WORKER"  // the server's URL
	workerLimit = "VEDETTE_TEST_LIMIT"   // of the pool
	workerBusy  = "VEDETTE_TEST_BUSY"    // how long a job takes
	workerName  = "VEDETTE_TEST_PROCESS" // what the process is called
)

func TestMain(m *testing.M) {
	if url := os.Getenv(beWorker); url != "" {
		if err := work(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pipelinetest.VerifyMain(m)
}

// work serves a pool until SIGTERM, or until it is killed.
func work(url string) error {
	limit, err := strconv.Atoi(os.Getenv(workerLimit))
	if err != nil {
		return err
	}
	busy, err := time.ParseDuration(os.Getenv(workerBusy))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	p, err := pipeline.Connect(ctx, pipeline.Config{URL: url, Process: os.Getenv(workerName), Shards: 4})
	if err != nil {
		return err
	}
	workers, err := witnessPool(ctx, p, limit, busy)
	if err != nil {
		return err
	}
	return errors.Join(workers.Serve(ctx), p.Close())
}

// witnessPool is a pool whose jobs write down that they began, under the name
// of the job, the attempt and the process; the revision has the order.
func witnessPool(ctx context.Context, p *pipeline.Pipeline, limit int, busy time.Duration) (*pool.Pool, error) {
	begun, err := p.Bucket(ctx, topology.Outcomes)
	if err != nil {
		return nil, err
	}
	return pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "test", Stream: topology.Adhoc}, Limit: limit, Timeout: 5 * time.Minute, Grace: time.Second,
		Handler: func(ctx context.Context, d pipeline.Delivery) error {
			key := fmt.Sprintf("%s.%s.%d.%d", d.Subject, p.Process(), d.Attempt, time.Now().UnixNano())
			if _, err := begun.Put(ctx, key, nil); err != nil {
				return err
			}
			timer := time.NewTimer(busy)
			defer timer.Stop()
			select {
			case <-timer.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
}
