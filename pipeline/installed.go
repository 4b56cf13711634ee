package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// ErrNotInstalled is returned by [Pipeline.CheckInstalled] when the streams do not
// exist.
var ErrNotInstalled = errors.New("no installation found on this server")

// CheckInstalled checks that the installation exists, for commands that must not
// create one. The error is [ErrNotInstalled], or another cause. While the server
// does not answer, it retries until ctx ends.
func (p *Pipeline) CheckInstalled(ctx context.Context) error {
	err := Retry(ctx, func(ctx context.Context) error {
		_, err := p.js.Stream(ctx, p.names.Stream(topology.Checks))
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("find stream %s: %w", p.names.Stream(topology.Checks), ErrNotInstalled)
	}
	if err != nil {
		return fmt.Errorf("find stream %s: %w", p.names.Stream(topology.Checks), err)
	}
	return nil
}

// installedPoll is how often [Pipeline.AwaitInstalled] looks.
const installedPoll = 500 * time.Millisecond

// AwaitInstalled returns when the installation exists, for processes that may
// start before the one that creates it. It looks for a bucket that every role may
// read.
func (p *Pipeline) AwaitInstalled(ctx context.Context) error {
	poll := time.NewTicker(installedPoll)
	defer poll.Stop()
	for {
		_, err := p.Bucket(ctx, topology.Processes)
		if err == nil || !errors.Is(err, jetstream.ErrBucketNotFound) && !transient(err) {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the installation: %w", context.Cause(ctx))
		}
	}
}
