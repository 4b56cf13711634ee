package workers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// Mailer sends mails.
type Mailer interface {
	// Handle sends one mail that was ordered at the given time. What it returns
	// is the fate of the mail's job.
	Handle(ctx context.Context, m job.Mail, stored time.Time) error
	// StoreCopy puts a mail where people who look after the machine find it, while it
	// cannot be sent; it is sent all the same, as soon as it can be.
	StoreCopy(ctx context.Context, m job.Mail, stored time.Time) error
	// Available tells whether mails can be sent at the moment, as far as is known.
	Available() bool
	// Serve looks after the relays until ctx ends.
	Serve(ctx context.Context) error
	// Close ends what is still open, when no Handle runs any more.
	Close()
}

// Deliveries remembers what was sent.
type Deliveries interface {
	// Delivery tells what is known of a mail, and whether anything is.
	Delivery(ctx context.Context, id string) (job.Delivery, bool, error)
	// Begin marks that an attempt begins, unless the mail has left by then, was
	// withdrawn, or is in somebody else's hand, and tells what is known of it now.
	Begin(ctx context.Context, id string, at time.Time) (job.Delivery, error)
	// Record writes down what became of a mail.
	Record(ctx context.Context, sent job.Delivery) error
}

// mailStage is the branch that sends mails. Each class has a queue of its own, and so
// have those that somebody waits for, so that no backlog delays the others.
type mailStage struct {
	*shared

	newMailer   func(Deliveries) (Mailer, error)
	giveUpAfter time.Duration
	allow       Allow
}

const (
	// mailTimeout leaves room for the five minutes that a relay may take over
	// the final dot, and for what comes before.
	mailTimeout = 8 * time.Minute
	// giveUpAfter is how long a mail is tried, unless somebody says less.
	giveUpAfter = 24 * time.Hour
)

// supervisor:
//
//	mail                   rest_for_one
//	├── post               holds the open sessions with the relays
//	└── children           dynamic
//	    ├── mail-alert
//	    ├── mail-adhoc
//	    ├── mail-operator
//	    └── call-mail      calls
func (m *mailStage) supervisor() (supervise.Child, error) {
	st := stage[*post]{name: StageMail, foundation: "post", open: m.open}
	for _, class := range job.MailClasses() {
		st.pools = append(st.pools, stagePool[*post]{pipeline.ConsumerMails(class), func(l Limits) int { return l.Mails }, func(p *post) pipeline.PoolConfig {
			return m.config(p, pipeline.Mail, "mail."+class+".>")
		}})
		if class == job.MailOperator {
			last := &st.pools[len(st.pools)-1]
			last.limit, last.configure = func(Limits) int { return operatorMails }, func(p *post) pipeline.PoolConfig {
				config := m.config(p, pipeline.Mail, "mail."+class+".>")
				// These are tried also while no relay is available: then a copy is
				// kept on this machine.
				config.Available, config.Handler = nil, p.operator
				return config
			}
		}
	}
	st.pools = append(st.pools, stagePool[*post]{pipeline.ConsumerMailCalls, func(l Limits) int { return l.Mails }, func(p *post) pipeline.PoolConfig {
		return m.config(p, pipeline.Call, "call.mail.>")
	}})
	return st.supervisor(m.shared)
}

// operatorMails are few: many notices are one mail.
const operatorMails = 2

// open makes what sends mails, and closes it when ctx ends.
func (m *mailStage) open(ctx context.Context, ready func(*post)) error {
	sent, err := m.p.Bucket(ctx, pipeline.Deliveries)
	if err != nil {
		return err
	}
	answers, err := newOutcomes(ctx, m.p)
	if err != nil {
		return err
	}
	post := &post{ledger: &deliveryStore{bucket: sent}, answers: answers, giveUpAfter: m.giveUpAfter, allow: m.allow, log: m.log}
	post.worker, err = m.newMailer(post.ledger)
	if err != nil {
		return err
	}
	defer post.worker.Close()
	ready(post)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return post.worker.Serve(ctx) })
	group.Go(func() error { m.watch(ctx, post.worker); return nil })
	return group.Wait()
}

func (m *mailStage) config(p *post, stream pipeline.Stream, filter string) pipeline.PoolConfig {
	config := m.base
	config.Stage, config.Stream, config.Filter = StageMail, stream, filter
	config.Timeout, config.Backoff, config.GiveUpAfter = mailTimeout, pipeline.MailBackoff(), m.giveUpAfter
	config.OnDeadLetter, config.Handler, config.Available = p.buried, p.handle, p.worker.Available
	return config
}

// post does the mail jobs.
type post struct {
	worker      Mailer
	ledger      *deliveryStore
	answers     *outcomes
	giveUpAfter time.Duration
	allow       Allow
	log         *slog.Logger

	mu   sync.Mutex // guards kept
	kept []string   // ids of mails that were kept
}

func (m *post) handle(ctx context.Context, d pipeline.Delivery) error {
	order, err := job.Decode[job.Mail](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	if order.ID, err = readID(order.ID, d.Subject); err != nil {
		return err
	}
	if ordered(d.Subject) {
		if err := m.allow.check(order); err != nil {
			return err
		}
	}
	err = m.worker.Handle(ctx, order, d.Stored)
	if age := time.Since(d.Stored); err != nil && age > m.giveUpAfter && ctx.Err() == nil {
		// A relay that is away costs no attempt, and so would never end.
		return job.Dead(job.ReasonGivenUp, fmt.Errorf("gave up after %s: %w", age.Round(time.Second), err))
	}
	if err != nil {
		return err
	}
	if !ordered(d.Subject) {
		return nil
	}
	sent, _, err := m.ledger.Delivery(ctx, order.ID)
	if err != nil {
		return err // the mail is in the ledger, so that the next attempt does nothing but answer
	}
	sent.V, sent.ID = job.Version, order.ID
	if sent.State != job.DeliveryWithdrawn {
		sent.State = job.DeliverySent
	}
	return m.answers.publish(ctx, d, job.Outcome{Kind: job.JobMail, ID: order.ID, Mail: &sent})
}

// operator sends a mail to the operators. It may be about the very relay that
// would carry it, so that a copy of what cannot be sent is kept on this machine.
func (m *post) operator(ctx context.Context, d pipeline.Delivery) error {
	failed := m.handle(ctx, d)
	if failed == nil || ctx.Err() != nil || errors.Is(failed, job.ErrNewer) {
		return failed
	}
	order, err := job.Decode[job.Mail](d.Body)
	if err == nil {
		order.ID, err = readID(order.ID, d.Subject)
	}
	if err == nil {
		err = m.keep(ctx, order, d.Stored)
	}
	if err != nil {
		m.log.ErrorContext(ctx, "keep a copy of a mail to operators", "subject", d.Subject, "error", err)
	}
	return failed
}

// keep keeps a copy of a mail, once: one that people have read and put away must
// not come back with each attempt.
func (m *post) keep(ctx context.Context, order job.Mail, stored time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.kept, order.ID) {
		return nil
	}
	if err := m.worker.StoreCopy(ctx, order, stored); err != nil {
		return err
	}
	m.kept = append(m.kept[max(0, len(m.kept)-maxKept):], order.ID)
	return nil
}

// maxKept is how many kept mails are remembered.
const maxKept = 1000

func (m *post) buried(ctx context.Context, d pipeline.Delivery, letter pipeline.DeadLetter) error {
	if !ordered(d.Subject) {
		return nil
	}
	return m.answers.onDeadLetter(job.JobMail)(ctx, d, letter)
}

// ordered tells whether people or programs ordered a mail; what the notifier
// orders needs no answer.
func ordered(subject string) bool {
	return strings.HasPrefix(subject, "mail."+job.MailAdhoc+".") || strings.HasPrefix(subject, "call.")
}
