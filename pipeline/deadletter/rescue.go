package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// advisory is the server's event about a message that it will not deliver again.
type advisory struct {
	Type       string `json:"type"`
	Stream     string `json:"stream"`
	Consumer   string `json:"consumer"`
	Sequence   uint64 `json:"stream_seq"`
	Deliveries uint64 `json:"deliveries"`
	Reason     string `json:"reason"`
}

// Types of advisories, and the harmless reasons: the limits of a stream removed a
// delivered message, such as an old tick.
const (
	advisoryMaxDeliver   = "io.nats.jetstream.advisory.v1.max_deliver"
	advisoryTerminated   = "io.nats.jetstream.advisory.v1.terminated"
	reasonLimits         = "Message deleted by stream limits"
	reasonUnackedRemoved = "Unacknowledged message was deleted"
)

// Rescue handles one advisory from the stream [topology.Advisory]. Our consumers
// never give up, so an advisory means that a consumer was changed manually, or
// that another client settled a job.
//
// A job that the server does not deliver again would stay in its stream and block
// its subject, so it becomes a dead letter "stranded". A terminated job is lost,
// and the operators are notified. Other advisories are logged only.
func Rescue(ctx context.Context, p *pipeline.Pipeline, d pipeline.Delivery) error {
	var a advisory
	if err := json.Unmarshal(d.Body, &a); err != nil {
		return job.Dead(job.ReasonMalformed, fmt.Errorf("read advisory: %w", err))
	}
	switch {
	case a.Type == advisoryMaxDeliver:
		return rescue(ctx, p, a)
	case a.Type == advisoryTerminated && a.Reason != reasonLimits && a.Reason != reasonUnackedRemoved:
		return p.Notify(ctx, job.Notice{
			Kind: job.NoticeStranded, At: d.Stored.UTC(), ID: a.id(),
			Summary: fmt.Sprintf("job %d of %s was terminated by another client, and is lost: %s", a.Sequence, a.Stream, a.Reason),
		})
	default:
		p.Logger().DebugContext(ctx, "message was removed", "kind", a.Type, "stream", a.Stream, "consumer", a.Consumer, "sequence", a.Sequence, "reason", a.Reason)
		return nil
	}
}

func (a advisory) id() string {
	return job.DeriveID("advisory", a.Type, a.Stream, a.Consumer, strconv.FormatUint(a.Sequence, 10))
}

// rescue makes a stranded job a dead letter, which frees its subject.
func rescue(ctx context.Context, p *pipeline.Pipeline, a advisory) error {
	stream, err := p.JetStream().Stream(ctx, a.Stream)
	if err != nil {
		return fmt.Errorf("rescue job: %w", err)
	}
	message, err := stream.GetMsg(ctx, a.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // it was settled meanwhile
	}
	if err != nil {
		return fmt.Errorf("rescue job %d of %s: %w", a.Sequence, a.Stream, err)
	}
	dead := Letter{
		Stage: a.Consumer, Subject: p.Names().CutPrefix(message.Subject), Body: message.Data, Reason: job.ReasonStranded,
		Error:    fmt.Sprintf("the server gave up after %d deliveries: consumer %s was changed to a limit", a.Deliveries, a.Consumer),
		Attempts: int(a.Deliveries), FirstStoredAt: pipeline.FirstStored(message.Header, message.Time), Worker: p.Process(), Sequence: a.Sequence, //nolint:gosec // a small count
	}
	consumer := topology.Consumer{Stream: p.Names().CutStream(a.Stream), Name: a.Consumer}
	if stream.CachedInfo().Config.Retention == jetstream.WorkQueuePolicy {
		err = SetAside(ctx, p, dead, consumer)
	} else { // the stream keeps its messages
		err = Store(ctx, p, dead, consumer)
	}
	if err != nil {
		return fmt.Errorf("rescue job %d of %s: %w", a.Sequence, a.Stream, err)
	}
	return nil
}

// SetAside stores a job as a dead letter, and then removes it from its work queue,
// which frees its subject.
func SetAside(ctx context.Context, p *pipeline.Pipeline, dead Letter, consumer topology.Consumer) error {
	if err := Store(ctx, p, dead, consumer); err != nil {
		return err
	}
	return Remove(ctx, p, consumer.Stream, dead.Sequence)
}

// Remove removes a message from a stream. A missing one is no error.
func Remove(ctx context.Context, p *pipeline.Pipeline, name topology.Stream, sequence uint64) error {
	stream, err := p.JetStream().Stream(ctx, p.Names().Stream(name))
	if err == nil {
		err = remove(ctx, stream, sequence)
	}
	if err != nil {
		return fmt.Errorf("remove message %d of %s: %w", sequence, name, err)
	}
	return nil
}
