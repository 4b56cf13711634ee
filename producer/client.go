package producer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrPending is returned while the outcome of a job is not known: the job is
// queued, running, or waiting for another attempt. Nothing is lost; ask
// [Client.Outcome] later with the id in the outcome.
var ErrPending = errors.New("job is pending")

// ErrDuplicate is returned for a job whose id belongs to a queued or running
// job. Nothing was enqueued.
var ErrDuplicate = errors.New("a job with this id is queued or running")

// ErrUnknown is returned for an id that no job has had in the last two days.
var ErrUnknown = errors.New("no job with this id is known")

// ClientConfig configures a [Client].
type ClientConfig struct {
	Pipeline *pipeline.Pipeline
	// Wait makes the client wait for room in a full stream until its context
	// ends. Without it a full stream returns [pipeline.ErrFull] at once.
	Wait bool
}

// Client enqueues checks and mails. The methods EnqueueCheck and EnqueueMail
// return once the job is stored. The methods Check and Mail make a call: they
// also wait for the outcome. Calls have their own queues, so that no backlog
// delays them.
//
// A caller may choose a job's id to make a request safe to repeat; otherwise it
// is random. A Client is safe for concurrent use.
type Client struct {
	config  ClientConfig
	replies *pipeline.Replies
}

// NewClient returns a client. Close it after all calls have returned.
func NewClient(config ClientConfig) (*Client, error) {
	if config.Pipeline == nil {
		return nil, errors.New("create client: found no pipeline, expected one")
	}
	replies, err := config.Pipeline.Replies()
	if err != nil {
		return nil, fmt.Errorf("create client: %w", err)
	}
	return &Client{config: config, replies: replies}, nil
}

// Close closes the client.
func (c *Client) Close() error { return c.replies.Close() }

// EnqueueCheck enqueues a check and returns its id once it is stored. A check
// without a location runs in the default location. The error is [ErrDuplicate],
// [pipeline.ErrFull], a description of what is invalid, or why storing failed.
func (c *Client) EnqueueCheck(ctx context.Context, check job.Check) (string, error) {
	s, err := newCheckSubmission(check, false)
	if err != nil {
		return "", err
	}
	return s.id, c.enqueue(ctx, s, "")
}

// Check enqueues a check and waits for its outcome: the check result, or why
// there is none. When ctx ends first, the error is [ErrPending], and the
// outcome has only the id. Other errors are as for EnqueueCheck.
func (c *Client) Check(ctx context.Context, check job.Check) (job.Outcome, error) {
	s, err := newCheckSubmission(check, true)
	if err != nil {
		return job.Outcome{}, err
	}
	return c.call(ctx, s)
}

// EnqueueMail enqueues a mail and returns its id once it is stored. The errors
// are as for EnqueueCheck.
func (c *Client) EnqueueMail(ctx context.Context, m job.Mail) (string, error) {
	s, err := newMailSubmission(m, false)
	if err != nil {
		return "", err
	}
	return s.id, c.enqueue(ctx, s, "")
}

// Mail enqueues a mail and waits until a relay has accepted or refused it, as
// Check does. If a mail with the same id was sent in the last two days, it is
// not sent again, and the outcome says sent.
func (c *Client) Mail(ctx context.Context, m job.Mail) (job.Outcome, error) {
	s, err := newMailSubmission(m, true)
	if err != nil {
		return job.Outcome{}, err
	}
	return c.call(ctx, s)
}

// Outcome returns the outcome of a job from the last two days; kind is
// [job.JobCheck] or [job.JobMail]. The error is [ErrPending] while the job is
// queued or running, [ErrUnknown] for an unknown id, or why the outcome could
// not be read.
func (c *Client) Outcome(ctx context.Context, kind, id string) (job.Outcome, error) {
	s := submission{kind: kind, id: id}
	pending := job.Outcome{V: job.Version, Kind: kind, ID: id}
	if !job.ValidName(id) || kind != job.JobCheck && kind != job.JobMail {
		return pending, fmt.Errorf("read outcome: found id %q and kind %q, expected a valid id and %s or %s", id, kind, job.JobCheck, job.JobMail)
	}
	queued, err := c.exists(ctx, s)
	if err != nil {
		return pending, err
	}
	if queued {
		return pending, pendingError(s, nil)
	}
	outcome, revision, err := c.storedOutcome(ctx, s)
	if err == nil && revision == 0 {
		return pending, fmt.Errorf("read outcome of %s %s: %w", kind, id, ErrUnknown)
	}
	return outcome, err
}

// enqueue stores a job. The server refuses a second job with the same subject.
// Calls have other subjects than enqueued jobs, so a job with a caller's id is
// looked up first. Both are stored only if two callers use one id at the same
// moment, one with a call.
func (c *Client) enqueue(ctx context.Context, s submission, reply string) error {
	if s.callerID {
		queued, err := c.exists(ctx, s)
		if err != nil {
			return fmt.Errorf("enqueue %s: %w", s.kind, err)
		}
		if queued {
			return duplicate(s)
		}
	}
	// The random message id makes it safe to publish again when the server's reply
	// is lost. A second request has another message id.
	err := pipeline.PublishJob(ctx, c.config.Pipeline, s.message, pipeline.Message{
		Subject: s.subject, ID: s.id + "-" + rand.Text(), Wait: c.config.Wait, Reply: reply,
	})
	switch {
	case errors.Is(err, pipeline.ErrOccupied):
		return duplicate(s)
	case err != nil:
		return fmt.Errorf("enqueue %s: %w", s.kind, err)
	default:
		return nil
	}
}

func duplicate(s submission) error {
	return fmt.Errorf("enqueue %s %s: %w", s.kind, s.id, ErrDuplicate)
}

// exists reports whether a job with the kind and id is queued or running.
func (c *Client) exists(ctx context.Context, s submission) (bool, error) {
	subjects := []string{topology.AdhocSubject("*", s.id), topology.CallCheckSubject("*", s.id)}
	if s.kind == job.JobMail {
		subjects = []string{topology.MailSubject(job.MailAdhoc, s.id), topology.CallMailSubject(s.id)}
	}
	for _, subject := range subjects {
		if found, err := inspect.Exists(ctx, c.config.Pipeline, topology.StreamOf(subject), subject); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// storedOutcome returns the stored outcome and its revision, 0 if there is none.
func (c *Client) storedOutcome(ctx context.Context, s submission) (job.Outcome, uint64, error) {
	outcomes, err := c.config.Pipeline.Bucket(ctx, topology.Outcomes)
	if err != nil {
		return job.Outcome{}, 0, err
	}
	return pipeline.Read(ctx, outcomes, job.OutcomeKey(s.kind, s.id), job.DecodeKnown[job.Outcome])
}

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
