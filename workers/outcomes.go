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

// outcomes publishes what became of ad-hoc jobs and calls: a bucket keeps each
// outcome for later questions, and a caller that waits gets it as a reply.
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

// publish stores an outcome, then replies to the caller. A caller may disconnect
// at any time, and must be able to read a missed reply in the bucket.
func (o *outcomes) publish(ctx context.Context, d pipeline.Delivery, outcome job.Outcome) error {
	outcome.V, outcome.At, outcome.Attempts = job.Version, time.Now().UTC(), d.Attempt
	body, err := job.Encode(outcome)
	if err != nil {
		return err
	}
	if _, err := o.bucket.Put(ctx, job.OutcomeKey(outcome.Kind, outcome.ID), body); err != nil {
		return fmt.Errorf("store outcome: %w", err)
	}
	return o.p.Reply(ctx, d.Reply, body)
}

// onDeadLetter publishes the failure of jobs that became dead letters. A job
// whose subject has no valid id can have no outcome, only its dead letter.
func (o *outcomes) onDeadLetter(kind string) func(context.Context, pipeline.Delivery, deadletter.Letter) error {
	return func(ctx context.Context, d pipeline.Delivery, dead deadletter.Letter) error {
		id := jobID(d.Subject)
		if !job.ValidName(id) {
			return nil
		}
		d.Attempt = dead.Attempts
		return o.publish(ctx, d, job.Outcome{Kind: kind, ID: id, Failure: &job.Failure{Reason: dead.Reason, Error: dead.Error}})
	}
}

// jobID returns the id in a subject, which follows the tokens for the kind and
// the location or class.
func jobID(subject string) string {
	tokens := 2 // adhoc.<location>.<id>, mail.<class>.<id>, call.mail.<id>
	if topology.IsCheckCall(subject) {
		tokens = 3 // call.check.<location>.<id>
	}
	parts := strings.SplitN(subject, ".", tokens+1)
	if len(parts) <= tokens {
		return ""
	}
	return parts[tokens]
}

// readID returns a job's id, which is the one in its subject, by which the server
// detects duplicates. The error makes the job a dead letter.
func readID(inBody, subject string) (string, error) {
	id := jobID(subject)
	if inBody != "" && inBody != id {
		return "", job.Dead(job.ReasonInvalid, fmt.Errorf("read job: found id %q in the body and %q in the subject, expected the same, or none in the body", inBody, id))
	}
	if !job.ValidName(id) {
		return "", job.Dead(job.ReasonInvalid, fmt.Errorf("read job: found id %q in the subject, expected letters, digits, _, - and single dots", id))
	}
	return id, nil
}
