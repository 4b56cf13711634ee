package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Job is a stored job, for [Trace].
type Job struct {
	Consumer    topology.Consumer
	Subject, ID string
	Sequence    uint64
}

// Trace returns what the cluster knows about a job that was stored in a queue, one
// line for each place, to find out where the job went. The leaders' answers come
// first; direct reads, which any replica answers, show whether the others agree.
func Trace(ctx context.Context, p *pipeline.Pipeline, j Job) []string {
	stream, subject := p.Names().Stream(j.Consumer.Stream), p.Names().Subject(j.Subject)
	lines := []string{
		traceStream(ctx, p, stream),
		traceConsumer(ctx, p, stream, j.Consumer.Name),
		traceLast(ctx, p, stream, subject),
		traceSequence(ctx, p, stream, j.Sequence),
		traceDirect(ctx, p, stream, subject),
		traceLast(ctx, p, p.Names().Stream(topology.Dead), p.Names().Subject(topology.DeadSubject(j.Consumer.Stream, j.Consumer.Name, j.Sequence))),
	}
	keys := map[topology.Bucket]string{topology.Outcomes: job.OutcomeKey(job.JobCheck, j.ID)}
	if j.Consumer.Stream == topology.Mail {
		keys = map[topology.Bucket]string{topology.Outcomes: job.OutcomeKey(job.JobMail, j.ID), topology.Deliveries: j.ID}
	}
	for bucket, key := range keys {
		lines = append(lines, traceLast(ctx, p, p.Names().Stream(bucket.Stream()), p.Names().Key(bucket, key)))
	}
	return lines
}

func traceStream(ctx context.Context, p *pipeline.Pipeline, name string) string {
	stream, err := p.JetStream().Stream(ctx, name)
	if err != nil {
		return fmt.Sprintf("%s: %v", name, err)
	}
	info := stream.CachedInfo()
	return fmt.Sprintf("%s holds %d messages, %d to %d; %s", name, info.State.Msgs, info.State.FirstSeq, info.State.LastSeq, describe(info.Cluster))
}

func traceConsumer(ctx context.Context, p *pipeline.Pipeline, stream, name string) string {
	consumer, err := p.JetStream().Consumer(ctx, stream, name)
	if err != nil {
		return fmt.Sprintf("%s > %s: %v", stream, name, err)
	}
	info := consumer.CachedInfo()
	return fmt.Sprintf("%s > %s has delivered up to %d, all up to %d settled, %d waiting, %d unsettled; %s", stream, name,
		info.Delivered.Stream, info.AckFloor.Stream, info.NumPending, info.NumAckPending, describe(info.Cluster))
}

// describe names the leader and the other replicas' states.
func describe(cluster *jetstream.ClusterInfo) string {
	if cluster == nil {
		return "on a single server"
	}
	words := []string{"led by " + cluster.Leader}
	for _, peer := range cluster.Replicas {
		state := "current"
		if !peer.Current {
			state = "behind"
		}
		if peer.Offline {
			state = "offline"
		}
		words = append(words, fmt.Sprintf("%s %s by %d, heard %s ago", peer.Name, state, peer.Lag, peer.Active.Round(time.Millisecond)))
	}
	return strings.Join(words, ", ")
}

// traceLast asks the leader for the last message with a subject.
func traceLast(ctx context.Context, p *pipeline.Pipeline, stream, subject string) string {
	found, err := readLeader(ctx, p, stream, map[string]any{"last_by_subj": subject})
	return traced(stream+" at its leader, "+subject, found, err)
}

// traceSequence asks the leader for the message with a sequence, or the next one.
func traceSequence(ctx context.Context, p *pipeline.Pipeline, stream string, sequence uint64) string {
	found, err := readLeader(ctx, p, stream, map[string]any{"seq": sequence})
	return traced(fmt.Sprintf("%s at its leader, sequence %d", stream, sequence), found, err)
}

func traced(where string, found *leadersMessage, err error) string {
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		return where + ": nothing"
	case err != nil:
		return where + ": " + err.Error()
	default:
		return fmt.Sprintf("%s: %s, sequence %d, stored %s: %.200q", where, found.Subject, found.Sequence, found.Time.Format(time.StampMilli), found.Data)
	}
}

// directReads is how many direct reads are made: each replica answers a part.
const directReads = 30

// traceDirect counts the direct reads that find a subject.
func traceDirect(ctx context.Context, p *pipeline.Pipeline, name, subject string) string {
	stream, err := p.JetStream().Stream(ctx, name)
	if err != nil {
		return fmt.Sprintf("%s: %v", name, err)
	}
	found, none := 0, 0
	for range directReads {
		_, err := stream.GetLastMsgForSubject(ctx, subject)
		switch {
		case err == nil:
			found++
		case errors.Is(err, jetstream.ErrMsgNotFound):
			none++
		}
	}
	return fmt.Sprintf("%s by %d direct reads: found %d times, not found %d times", name, directReads, found, none)
}

// leadersMessage is a message from its stream's leader.
type leadersMessage struct {
	Subject  string    `json:"subject"`
	Sequence uint64    `json:"seq"`
	Header   []byte    `json:"hdrs"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"`
}

// readLeader reads from a stream's leader; direct reads go to any replica,
// which may be behind. The error is [pipeline.ErrNotFound] if there is no message.
func readLeader(ctx context.Context, p *pipeline.Pipeline, stream string, request map[string]any) (*leadersMessage, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	answer, err := p.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return nil, err
	}
	var found struct {
		Message *leadersMessage     `json:"message"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &found); err != nil {
		return nil, err
	}
	switch {
	case found.Error != nil && found.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, pipeline.ErrNotFound
	case found.Error != nil:
		return nil, found.Error
	case found.Message == nil:
		return nil, pipeline.ErrNotFound
	default:
		return found.Message, nil
	}
}
