// Package inspect reads streams and consumers, and leaves them unchanged.
package inspect

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/topology"
)

// StreamStatus is a stream's fill level, and its replicas' state.
type StreamStatus struct {
	Name            string
	Messages, Bytes uint64
	// MaxMessages and MaxBytes are the limits at which publishers get an error; 0
	// means none.
	MaxMessages, MaxBytes uint64
	// Behind and Unreachable are the servers whose replicas are not current, and
	// the servers that are away.
	Behind, Unreachable []string
}

// Storage returns the status for the streams with limits for publishers, and for
// the stream of checks. The error names the first one that cannot be read.
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

// Count counts the messages in a stream: in a queue, the unsettled jobs; in
// [topology.Dead], the dead letters that were not dropped.
func Count(ctx context.Context, p *pipeline.Pipeline, name topology.Stream) (uint64, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err != nil {
		return 0, fmt.Errorf("count messages of %s: %w", p.Names().Stream(name), err)
	}
	return stream.CachedInfo().State.Msgs, nil
}

// Leader returns the name of the node that leads a stream; empty on a single
// server, and while there is no leader.
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

// LastSequence returns the sequence of the newest message that a stream ever had.
func LastSequence(ctx context.Context, p *pipeline.Pipeline, name topology.Stream) (uint64, error) {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err != nil {
		return 0, fmt.Errorf("read stream %s: %w", p.Names().Stream(name), err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}
