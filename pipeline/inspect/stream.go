// Package inspect reads streams and consumers, and takes nothing out of them.
package inspect

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// StreamStatus is how full a stream is, and how its copies fare.
type StreamStatus struct {
	Name            string
	Messages, Bytes uint64
	// MaxMessages and MaxBytes are the limits at which publishers are refused; 0
	// is none.
	MaxMessages, MaxBytes uint64
	// Behind and Unreachable are the servers whose copies are not up to date, and
	// those that are away.
	Behind, Unreachable []string
}

// Storage tells how the streams fare whose publishers are refused at a limit,
// and the one of the checks. The error names the first that cannot be seen.
func Storage(ctx context.Context, p *pipeline.Pipeline) ([]StreamStatus, error) {
	var all []StreamStatus
	for _, name := range []topology.Stream{topology.Checks, topology.Adhoc, topology.Call, topology.Mail, topology.Dead} {
		stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
		if err != nil {
			return all, fmt.Errorf("read stream %s: %w", p.Names().Stream(name), err)
		}
		all = append(all, streamStatus(stream.CachedInfo()))
	}
	return all, nil
}

func streamStatus(info *jetstream.StreamInfo) StreamStatus {
	status := StreamStatus{
		Name: info.Config.Name, Messages: info.State.Msgs, Bytes: info.State.Bytes,
		MaxMessages: uint64(max(0, info.Config.MaxMsgs)), MaxBytes: uint64(max(0, info.Config.MaxBytes)),
	}
	if info.Cluster == nil {
		return status
	}
	for _, replica := range info.Cluster.Replicas {
		switch {
		case replica.Offline:
			status.Unreachable = append(status.Unreachable, replica.Name)
		case !replica.Current:
			status.Behind = append(status.Behind, replica.Name)
		}
	}
	return status
}

// Count is how many messages a stream holds: of a queue's, the jobs that are
// not settled; of the dead letters, those that nobody has dropped.
func Count(ctx context.Context, p *pipeline.Pipeline, name topology.Stream) (uint64, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err != nil {
		return 0, fmt.Errorf("count messages of %s: %w", p.Names().Stream(name), err)
	}
	return stream.CachedInfo().State.Msgs, nil
}

// Leader returns the name of the node that leads a stream, which is where the
// loss of a node costs most; empty on a server alone, and while there is none.
func Leader(ctx context.Context, p *pipeline.Pipeline, name topology.Stream) (string, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err != nil {
		return "", fmt.Errorf("find leader of %s: %w", p.Names().Stream(name), err)
	}
	if stream.CachedInfo().Cluster == nil {
		return "", nil
	}
	return stream.CachedInfo().Cluster.Leader, nil
}
