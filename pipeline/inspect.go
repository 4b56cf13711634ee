package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
)

// queueStream is the stream of a consumer, and whether that is a queue before
// which jobs may pile up.
func queueStream(consumer string) (Stream, bool) {
	switch {
	case consumer == ConsumerMailCalls, strings.HasPrefix(consumer, ConsumerCheckCalls("")):
		return Call, true
	case strings.HasPrefix(consumer, ConsumerChecks("")):
		return Checks, true
	case strings.HasPrefix(consumer, ConsumerAdhoc("")):
		return Adhoc, true
	case strings.HasPrefix(consumer, ConsumerMails("")):
		return Mail, true
	case consumer == ConsumerEvaluate:
		return Result, true
	case consumer == ConsumerNotify:
		return StateLog, true
	default:
		return "", false
	}
}

// Waiting tells how many jobs of a consumer nobody has taken yet, and how old
// the first of them is: zero when none waits, or who asks may not see it. A
// consumer that is not there, or before which nothing can pile up, has none. The
// error is that of a server that does not answer.
func (p *Pipeline) Waiting(ctx context.Context, consumer string, now time.Time) (waiting uint64, oldest time.Duration, err error) {
	name, ok := queueStream(consumer)
	if !ok {
		return 0, 0, nil
	}
	found, err := p.js.Consumer(ctx, p.names.Stream(name), consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read queue %s: %w", consumer, err)
	}
	info := found.CachedInfo()
	if info.NumPending == 0 {
		return 0, 0, nil
	}
	return info.NumPending, p.oldest(ctx, name, info, now), nil
}

// oldest is the age of the first message that was not delivered yet.
func (p *Pipeline) oldest(ctx context.Context, name Stream, info *jetstream.ConsumerInfo, now time.Time) time.Duration {
	stream, err := p.js.Stream(ctx, p.names.Stream(name))
	if err != nil {
		return 0
	}
	var options []jetstream.GetMsgOpt
	if filter := info.Config.FilterSubject; filter != "" {
		options = append(options, jetstream.WithGetMsgSubject(filter))
	}
	first, err := stream.GetMsg(ctx, info.Delivered.Stream+1, options...)
	if err != nil {
		return 0 // somebody has just taken it
	}
	return max(0, now.Sub(first.Time))
}

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
func (p *Pipeline) Storage(ctx context.Context) ([]StreamStatus, error) {
	var all []StreamStatus
	for _, name := range []Stream{Checks, Adhoc, Call, Mail, Dead} {
		stream, err := p.js.Stream(ctx, p.names.Stream(name))
		if err != nil {
			return all, fmt.Errorf("read stream %s: %w", p.names.Stream(name), err)
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

// CheckLocations are those at which a process makes checks, by their leases.
func (p *Pipeline) CheckLocations(ctx context.Context) ([]string, error) {
	leases, err := p.leased(ctx)
	if err != nil {
		return nil, fmt.Errorf("list locations: %w", err)
	}
	var found []string
	for _, process := range leases {
		if slices.Contains(process.Stages, roleCheck) && job.ValidName(process.Location) {
			found = append(found, process.Location)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// roleCheck is the role of processes that make checks, as their leases have it.
const roleCheck = "check"
