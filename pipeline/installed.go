package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/topology"
)

// ErrNotInstalled is returned by [Pipeline.CheckInstalled] when nobody has
// made the streams yet.
var ErrNotInstalled = errors.New("no installation found on this server")

// CheckInstalled tells whether the installation is there, for commands that
// must not create one by accident. The error is [ErrNotInstalled], or why it
// could not be found out. While the server does not answer, as a cluster that
// has just lost a node, it asks again until ctx ends.
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

// installedLook is how often [Pipeline.AwaitInstalled] looks.
const installedLook = 500 * time.Millisecond

// AwaitInstalled returns when the installation is there: for processes that do
// not make it, and may be started before the one that does. It looks for what
// every role may see. The error is ctx's, or why it could not be found out.
func (p *Pipeline) AwaitInstalled(ctx context.Context) error {
	look := time.NewTicker(installedLook)
	defer look.Stop()
	for {
		_, err := p.Bucket(ctx, topology.Processes)
		if err == nil || !errors.Is(err, jetstream.ErrBucketNotFound) && !transient(err) {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the installation: %w", context.Cause(ctx))
		}
	}
}
