package producer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// ErrPending is returned when the outcome of a job is not known yet: it is
// queued, running, or waiting for another attempt. Nothing is lost; ask
// [Client.Outcome] later, with the id of the answer.
var ErrPending = errors.New("job is pending")

// ErrDuplicate is returned for a job whose id is that of one that is queued or
// running. The order had no effect.
var ErrDuplicate = errors.New("a job of this id is queued or running")

// ErrUnknown is returned for an id that no job has, and none has had for two
// days.
var ErrUnknown = errors.New("no job of this id is known")

// ClientConfig says what a client works with.
type ClientConfig struct {
	Pipeline *pipeline.Pipeline
	// Wait makes orders wait for room in a full stream, until their context
	// ends. Without it they return [pipeline.ErrFull] at once.
	Wait bool
}

// Client orders checks and mails. Each can be cast, with the verb Enqueue,
// which returns once the job is stored; or called, which also waits for the
// outcome. Calls have queues of their own, so that no backlog of casts delays
// them.
//
// A job's id may be chosen by the caller, to make an order safe to repeat;
// else it is random. It is safe for concurrent use.
type Client struct {
	config  ClientConfig
	replies *pipeline.Replies
}

// NewClient makes a client. Close it when no call waits any more.
func NewClient(config ClientConfig) (*Client, error) {
	if config.Pipeline == nil {
		return nil, errors.New("make client: found no pipeline")
	}
	replies, err := config.Pipeline.Replies()
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Client{config: config, replies: replies}, nil
}

// Close ends the client.
func (c *Client) Close() error { return c.replies.Close() }

// EnqueueCheck orders a check, and returns its id once the order is stored. A
// check without a location runs in the default one. The error is
// [ErrDuplicate], [pipeline.ErrFull], what of the check is wrong, or why it
// could not be stored.
func (c *Client) EnqueueCheck(ctx context.Context, check job.Check) (string, error) {
	o, err := checkOrder(check, false)
	if err != nil {
		return "", err
	}
	return o.id, c.enqueue(ctx, o, "")
}

// Check orders a check and waits for its answer, which holds either what the
// check found or why it could not be made. When ctx ends first the error is
// [ErrPending], and the answer holds the id alone. Other errors are those of
// EnqueueCheck.
func (c *Client) Check(ctx context.Context, check job.Check) (job.Outcome, error) {
	o, err := checkOrder(check, true)
	if err != nil {
		return job.Outcome{}, err
	}
	return c.call(ctx, o)
}

// EnqueueMail orders a mail, and returns its id once the order is stored. The
// errors are those of EnqueueCheck.
func (c *Client) EnqueueMail(ctx context.Context, m job.Mail) (string, error) {
	o, err := mailOrder(m, false)
	if err != nil {
		return "", err
	}
	return o.id, c.enqueue(ctx, o, "")
}

// Mail orders a mail and waits until a relay has taken or refused it, as Check
// does. A mail with the id of one that was sent in the last two days is not
// sent again, and answered as sent.
func (c *Client) Mail(ctx context.Context, m job.Mail) (job.Outcome, error) {
	o, err := mailOrder(m, true)
	if err != nil {
		return job.Outcome{}, err
	}
	return c.call(ctx, o)
}

// Outcome tells what became of a job that was ordered in the last two days;
// order is [job.JobCheck] or [job.JobMail]. The error is [ErrPending] while
// the job lives, [ErrUnknown] for an id that no job has, or why it could not be
// found out.
func (c *Client) Outcome(ctx context.Context, order, id string) (job.Outcome, error) {
	o := orderOf{kind: order, id: id}
	pending := job.Outcome{V: job.Version, Kind: order, ID: id}
	if !job.ValidName(id) || order != job.JobCheck && order != job.JobMail {
		return pending, fmt.Errorf("read outcome: found %q of %q, expected an id, of %s or %s", id, order, job.JobCheck, job.JobMail)
	}
	alive, err := c.lives(ctx, o)
	if err != nil {
		return pending, err
	}
	if alive {
		return pending, pendingError(o, nil)
	}
	answer, _, err := c.answer(ctx, o)
	if errors.Is(err, pipeline.ErrNotFound) {
		return pending, fmt.Errorf("read outcome of %s %s: %w", order, id, ErrUnknown)
	}
	return answer, err
}

// orderOf is a job as it is ordered.
type orderOf struct {
	kind    string
	id      string
	chosen  bool // the id is the caller's
	subject string
	message any
}

func checkOrder(check job.Check, call bool) (orderOf, error) {
	o := orderOf{kind: job.JobCheck, id: check.ID}
	if check.Location == "" {
		check.Location = job.DefaultLocation
	}
	check.V = job.Version
	var problems []error
	if _, err := check.Kind(); err != nil {
		problems = append(problems, err)
	}
	if check.Monitor != "" || !check.Slot.IsZero() {
		problems = append(problems, errors.New("monitor and slot: found one, expected none: they are the scheduler's"))
	}
	if names := check.SecretNames(); len(names) > 0 {
		problems = append(problems, fmt.Errorf("secrets: found a reference to %s, expected none: only monitors may use secrets", names[0]))
	}
	if !job.ValidName(check.Location) || strings.Contains(check.Location, ".") {
		problems = append(problems, fmt.Errorf("location: found %q, expected letters, digits, _ and -", check.Location))
	}
	if err := o.identify(problems); err != nil {
		return o, err
	}
	check.ID, o.message = o.id, check
	o.subject = topology.AdhocSubject(check.Location, o.id)
	if call {
		o.subject = topology.CallCheckSubject(check.Location, o.id)
	}
	return o, nil
}

func mailOrder(m job.Mail, call bool) (orderOf, error) {
	o := orderOf{kind: job.JobMail, id: m.ID}
	m.V = job.Version
	var problems []error
	if _, err := mail.ParseAddress(m.To); err != nil {
		problems = append(problems, fmt.Errorf("to: found %q, expected one address such as ops@example.org", m.To))
	}
	if strings.ContainsAny(m.Subject, "\r\n") {
		problems = append(problems, errors.New("subject: found a line break, expected one line"))
	}
	if err := o.identify(problems); err != nil {
		return o, err
	}
	m.ID, o.message = o.id, m
	o.subject = topology.MailSubject(job.MailAdhoc, o.id)
	if call {
		o.subject = topology.CallMailSubject(o.id)
	}
	return o, nil
}

// identify gives the order its id, and joins what is wrong with it.
func (o *orderOf) identify(problems []error) error {
	o.chosen = o.id != ""
	if !o.chosen {
		o.id = strings.ToLower(rand.Text())
	}
	if !job.ValidName(o.id) {
		problems = append(problems, fmt.Errorf("id: found %q, expected letters, digits, _, - and single dots", o.id))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("order %s: %w", o.kind, err)
	}
	return nil
}

// enqueue stores an order. The server refuses a second one under the same
// subject. Calls and casts have different subjects, so one with an id of the
// caller's choosing looks at the others first; only two orders of one id, by
// two callers in the same moment, one a call and one a cast, both get through.
func (c *Client) enqueue(ctx context.Context, o orderOf, reply string) error {
	if o.chosen {
		alive, err := c.lives(ctx, o)
		if err != nil {
			return fmt.Errorf("order %s: %w", o.kind, err)
		}
		if alive {
			return duplicate(o)
		}
	}
	body, err := job.Encode(o.message)
	if err != nil {
		return fmt.Errorf("order %s: %w", o.kind, err)
	}
	// The message's own id makes it safe to publish again when the server's word
	// is lost. It is another one each time: a second order is no repetition.
	err = c.config.Pipeline.Publish(ctx, pipeline.Message{
		Subject: o.subject, Body: body, ID: o.id + "-" + rand.Text(), Wait: c.config.Wait, Reply: reply,
	})
	switch {
	case errors.Is(err, pipeline.ErrOccupied):
		return duplicate(o)
	case err != nil:
		return fmt.Errorf("order %s: %w", o.kind, err)
	default:
		return nil
	}
}

func duplicate(o orderOf) error { return fmt.Errorf("order %s %s: %w", o.kind, o.id, ErrDuplicate) }

// lives tells whether a job of the order's kind and id is queued or running.
func (c *Client) lives(ctx context.Context, o orderOf) (bool, error) {
	type place struct {
		stream  topology.Stream
		subject string
	}
	places := []place{{topology.Adhoc, topology.AdhocSubject("*", o.id)}, {topology.Call, topology.CallCheckSubject("*", o.id)}}
	if o.kind == job.JobMail {
		places = []place{{topology.Mail, topology.MailSubject(job.MailAdhoc, o.id)}, {topology.Call, topology.CallMailSubject(o.id)}}
	}
	for _, place := range places {
		if alive, err := inspect.Exists(ctx, c.config.Pipeline, place.stream, place.subject); alive || err != nil {
			return alive, err
		}
	}
	return false, nil
}

// answer reads the stored answer, and its revision.
func (c *Client) answer(ctx context.Context, o orderOf) (job.Outcome, uint64, error) {
	outcomes, err := c.config.Pipeline.Bucket(ctx, topology.Outcomes)
	if err != nil {
		return job.Outcome{}, 0, err
	}
	found, err := outcomes.Get(ctx, job.OutcomeKey(o.kind, o.id))
	if err != nil {
		return job.Outcome{}, 0, err
	}
	answer, err := job.DecodeKnown[job.Outcome](found.Value)
	return answer, found.Revision, err
}

// lookEvery is how often a caller looks for its answer where it is stored: the
// one that was sent may have got lost with a connection.
const lookEvery = 2 * time.Second

// lookGrace is how long a caller whose patience has ended waits to hear whether
// its order was stored.
const lookGrace = 500 * time.Millisecond

func (c *Client) call(ctx context.Context, o orderOf) (job.Outcome, error) {
	pending := job.Outcome{V: job.Version, Kind: o.kind, ID: o.id}
	before := uint64(0) // an answer of this revision is to an earlier order of the same id
	if o.chosen {
		_, revision, err := c.answer(ctx, o)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return pending, fmt.Errorf("order %s: %w", o.kind, err)
		}
		before = revision
	}
	address, sent, end := c.replies.Await()
	defer end()
	if err := c.enqueue(ctx, o, address); err != nil {
		if ctx.Err() != nil && c.stored(ctx, o) {
			return pending, pendingError(o, ctx.Err())
		}
		return pending, err
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case body := <-sent:
			return job.DecodeKnown[job.Outcome](body)
		case <-look.C:
			if answer, revision, err := c.answer(ctx, o); err == nil && revision > before {
				return answer, nil
			}
		case <-ctx.Done():
			return pending, pendingError(o, ctx.Err())
		}
	}
}

// stored tells whether an order was stored whose storing was not waited for to
// the end: a job may be at work before its caller hears that it was stored.
func (c *Client) stored(ctx context.Context, o orderOf) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookGrace)
	defer cancel()
	alive, err := c.lives(ctx, o)
	return err == nil && alive
}

func pendingError(o orderOf, cause error) error {
	if cause == nil {
		return fmt.Errorf("await %s %s: %w", o.kind, o.id, ErrPending)
	}
	return fmt.Errorf("await %s %s: %w: %w", o.kind, o.id, ErrPending, cause)
}
