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

// advisory is the server's word of a message that it will deliver no more.
type advisory struct {
	Type       string `json:"type"`
	Stream     string `json:"stream"`
	Consumer   string `json:"consumer"`
	Sequence   uint64 `json:"stream_seq"`
	Deliveries uint64 `json:"deliveries"`
	Reason     string `json:"reason"`
}

// Types of advisory, and the reasons of those that mean no harm: a message in
// flight was removed by its stream's own limits, as an old tick is.
const (
	advisoryMaxDeliver   = "io.nats.jetstream.advisory.v1.max_deliver"
	advisoryTerminated   = "io.nats.jetstream.advisory.v1.terminated"
	reasonLimits         = "Message deleted by stream limits"
	reasonUnackedRemoved = "Unacknowledged message was deleted"
)

// Rescue handles one advisory of the stream [topology.Advisory]. Our consumers give up
// on nothing, so one about them means that somebody has changed a consumer by
// hand, or settled a job in our place.
//
// A job that the server delivers no more would stay in its stream, unseen, and
// block its subject: it becomes a dead letter "stranded". One that was
// terminated is gone, and the operators are told. Anything else is no advisory
// that concerns us.
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
			Summary: fmt.Sprintf("job %d of %s was terminated by somebody else's hand, and is lost: %s", a.Sequence, a.Stream, a.Reason),
		})
	default:
		p.Logger().DebugContext(ctx, "the server says a message is gone", "kind", a.Type, "stream", a.Stream, "consumer", a.Consumer, "sequence", a.Sequence, "reason", a.Reason)
		return nil
	}
}

func (a advisory) id() string {
	return job.DeriveID("advisory", a.Type, a.Stream, a.Consumer, strconv.FormatUint(a.Sequence, 10))
}

// rescue makes a stranded job a dead letter, and its subject free.
func rescue(ctx context.Context, p *pipeline.Pipeline, a advisory) error {
	stream, err := p.JetStream().Stream(ctx, a.Stream)
	if err != nil {
		return fmt.Errorf("rescue job: %w", err)
	}
	message, err := stream.GetMsg(ctx, a.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // it was settled after all
	}
	if err != nil {
		return fmt.Errorf("rescue job %d of %s: %w", a.Sequence, a.Stream, err)
	}
	letter := Letter{
		Stage: a.Consumer, Subject: p.Names().CutPrefix(message.Subject), Body: message.Data, Reason: job.ReasonStranded,
		Error:    fmt.Sprintf("the server gave up after %d deliveries: consumer %s has a limit that is not ours", a.Deliveries, a.Consumer),
		Attempts: int(a.Deliveries), FirstStoredAt: pipeline.FirstStored(message.Header, message.Time), Worker: p.Process(), Sequence: a.Sequence, //nolint:gosec // a small count
	}
	consumer := topology.Consumer{Stream: p.Names().CutStream(a.Stream), Name: a.Consumer}
	if err := Store(ctx, p, letter, consumer); err != nil {
		return fmt.Errorf("rescue job %d of %s: %w", a.Sequence, a.Stream, err)
	}
	if stream.CachedInfo().Config.Retention != jetstream.WorkQueuePolicy {
		return nil // the message is not a job alone
	}
	if err := remove(ctx, stream, a.Sequence); err != nil {
		return fmt.Errorf("rescue job %d of %s: %w", a.Sequence, a.Stream, err)
	}
	return nil
}
