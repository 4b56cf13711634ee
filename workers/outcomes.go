package workers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// outcomes tells what became of jobs that somebody ordered: whoever asks later
// finds it in a bucket, and whoever waits gets it sent.
type outcomes struct {
	p      *pipeline.Pipeline
	bucket *pipeline.Bucket
}

func newOutcomes(ctx context.Context, p *pipeline.Pipeline) (*outcomes, error) {
	bucket, err := p.Bucket(ctx, topology.Outcomes)
	if err != nil {
		return nil, err
	}
	return &outcomes{p: p, bucket: bucket}, nil
}

// publish stores an answer, then sends it. The order matters: a caller may go
// away at any moment, and must find what it was not told.
func (a *outcomes) publish(ctx context.Context, d pipeline.Delivery, answer job.Outcome) error {
	answer.V, answer.At, answer.Attempts = job.Version, time.Now().UTC(), d.Attempt
	body, err := job.Encode(answer)
	if err != nil {
		return err
	}
	if _, err := a.bucket.Put(ctx, job.OutcomeKey(answer.Kind, answer.ID), body); err != nil {
		return fmt.Errorf("store answer: %w", err)
	}
	return a.p.Reply(ctx, d.Reply, body)
}

// onDeadLetter answers for jobs that became dead letters. A job whose subject holds
// no id can have no answer; the letter tells of it.
func (a *outcomes) onDeadLetter(order string) func(context.Context, pipeline.Delivery, deadletter.Letter) error {
	return func(ctx context.Context, d pipeline.Delivery, letter deadletter.Letter) error {
		id := jobID(d.Subject)
		if !job.ValidName(id) {
			return nil
		}
		d.Attempt = letter.Attempts
		return a.publish(ctx, d, job.Outcome{Kind: order, ID: id, Failure: &job.Failure{Reason: letter.Reason, Error: letter.Error}})
	}
}

// jobID is the id of an order: what its subject holds after the tokens that
// say what and where.
func jobID(subject string) string {
	tokens := 2 // request.<location>.<id>, mail.<class>.<id>, call.mail.<id>
	if topology.IsCheckCall(subject) {
		tokens = 3 // call.check.<location>.<id>
	}
	parts := strings.SplitN(subject, ".", tokens+1)
	if len(parts) <= tokens {
		return ""
	}
	return parts[tokens]
}

// readID makes sure that an order has one id: that of its subject, by which
// the server keeps it apart from others. The error is the job's death.
func readID(inBody, subject string) (string, error) {
	id := jobID(subject)
	if inBody != "" && inBody != id {
		return "", job.Dead(job.ReasonInvalid, fmt.Errorf("read order: found id %q in the body and %q in the subject, expected the same, or none in the body", inBody, id))
	}
	if !job.ValidName(id) {
		return "", job.Dead(job.ReasonInvalid, fmt.Errorf("read order: found id %q in the subject, expected letters, digits, _, - and single dots", id))
	}
	return id, nil
}
