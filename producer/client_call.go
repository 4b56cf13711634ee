package producer

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

// pollInterval is how often a call looks for its outcome in the bucket, since
// the reply may be lost with a connection.
const pollInterval = 2 * time.Second

// storeGrace is how long a call whose context has ended looks whether its job
// was stored.
const storeGrace = 500 * time.Millisecond

func (c *Client) call(ctx context.Context, s submission) (job.Outcome, error) {
	pending := job.Outcome{V: job.Version, Kind: s.kind, ID: s.id}
	before := uint64(0) // the revision of the outcome of an earlier job with the same id
	if s.callerID {
		_, revision, err := c.storedOutcome(ctx, s)
		if err != nil {
			return pending, fmt.Errorf("enqueue %s: %w", s.kind, err)
		}
		before = revision
	}
	address, replies, end := c.replies.Await()
	defer end()
	if err := c.enqueue(ctx, s, address); err != nil {
		if ctx.Err() != nil && c.wasStored(ctx, s) {
			return pending, pendingError(s, ctx.Err())
		}
		return pending, err
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		select {
		case body := <-replies:
			return job.DecodeKnown[job.Outcome](body)
		case <-poll.C:
			if outcome, revision, err := c.storedOutcome(ctx, s); err == nil && revision > before {
				return outcome, nil
			}
		case <-ctx.Done():
			return pending, pendingError(s, ctx.Err())
		}
	}
}

// wasStored reports whether a job was stored although enqueue has failed: its
// context may end before the server's reply arrives.
func (c *Client) wasStored(ctx context.Context, s submission) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeGrace)
	defer cancel()
	found, err := c.exists(ctx, s)
	return err == nil && found
}

func pendingError(s submission, cause error) error {
	if cause == nil {
		return fmt.Errorf("wait for %s %s: %w", s.kind, s.id, ErrPending)
	}
	return fmt.Errorf("wait for %s %s: %w: %w", s.kind, s.id, ErrPending, cause)
}
