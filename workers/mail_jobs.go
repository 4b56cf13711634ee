package workers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
	"vedette/workers/mail"
	"vedette/workers/notify"
)

// mailJobs handles the mail jobs with an open mailer.
type mailJobs struct {
	*mailStage

	mailer     Mailer
	deliveries *deliveryStore
	outcomes   *outcomes

	waits queueWaits

	mu     sync.Mutex // guards copied
	copied []string   // ids of the latest mails whose copy was stored
}

// maxCopied bounds mailJobs.copied.
const maxCopied = 1000

func (j *mailJobs) pool() pool.Config {
	return pool.Config{
		Timeout: mailTimeout, Backoff: pool.MailBackoff(), GiveUpAfter: j.giveUpAfter,
		OnDeadLetter: j.onDeadLetter, Handler: j.handle, Available: j.mailer.Available,
	}
}

func (j *mailJobs) classPool(class string) pool.Config {
	config := j.pool()
	if class == job.MailOperator {
		// Tried even if no relay is available: then a copy is stored here.
		config.Available, config.Handler = nil, j.handleOperatorMail
	}
	return config
}

func (j *mailJobs) handle(ctx context.Context, d pipeline.Delivery) error {
	m, err := decodeMail(d)
	if err != nil {
		return err
	}
	if hasOutcome(d.Subject) {
		if err := j.allowed.check(m); err != nil {
			return err
		}
	}
	if !d.Redelivered {
		j.waits.took(mailConsumer(d.Subject).Name, d.Stored, time.Now())
	}
	err = j.mailer.Handle(ctx, m, mail.Attempt{Stored: d.Stored, Retry: pool.MailBackoff().Wait(d.Attempt, rand.Float64())})
	if age := j.p.Clock().Since(d.Stored); err != nil && age > j.giveUpAfter && ctx.Err() == nil {
		// An unreachable relay counts no attempts, so attempts alone do not end.
		if retry, ok := errors.AsType[*job.RetryError](err); ok {
			err = retry.Err
		}
		return job.Dead(job.ReasonGivenUp, fmt.Errorf("gave up after %s: %w", age.Round(time.Second), err))
	}
	if err != nil || !hasOutcome(d.Subject) {
		return err
	}
	found, _, err := j.deliveries.Delivery(ctx, m.ID)
	if err != nil {
		return err // the next attempt only publishes the outcome
	}
	found.V, found.ID = job.Version, m.ID
	if found.State != job.DeliveryWithdrawn {
		found.State = job.DeliverySent
	}
	return j.outcomes.publish(ctx, d, job.Outcome{Kind: job.JobMail, ID: m.ID, Mail: &found})
}

func decodeMail(d pipeline.Delivery) (job.Mail, error) {
	m, err := job.Decode[job.Mail](d.Body)
	if err != nil {
		return m, job.DeadFor(err)
	}
	m.ID, err = readID(m.ID, d.Subject)
	return m, err
}

// handleOperatorMail sends a mail to the operators. It may be about the very
// relay that should carry it, so a copy is stored if it cannot be sent.
func (j *mailJobs) handleOperatorMail(ctx context.Context, d pipeline.Delivery) error {
	failed := j.handle(ctx, d)
	if failed == nil || ctx.Err() != nil || errors.Is(failed, job.ErrNewer) {
		return failed
	}
	m, err := decodeMail(d)
	if err == nil {
		err = j.storeCopy(ctx, m, d.Stored)
	}
	if err != nil {
		j.log.ErrorContext(ctx, "copy of a mail to operators was not stored", "subject", d.Subject, "error", err)
	}
	return failed
}

// storeCopy stores a copy once: a copy that was read and removed must not
// reappear with each attempt.
func (j *mailJobs) storeCopy(ctx context.Context, m job.Mail, stored time.Time) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if slices.Contains(j.copied, m.ID) {
		return nil
	}
	if err := j.mailer.StoreCopy(ctx, m, stored); err != nil {
		return err
	}
	j.copied = append(j.copied[max(0, len(j.copied)-maxCopied):], m.ID)
	return nil
}

// onDeadLetter records that the mail waits for no further attempt, and publishes
// the outcome if there is one.
func (j *mailJobs) onDeadLetter(ctx context.Context, d pipeline.Delivery, dead deadletter.Letter) error {
	if err := j.recordDead(ctx, d, dead); err != nil {
		return err
	}
	if !hasOutcome(d.Subject) {
		return nil
	}
	return j.outcomes.onDeadLetter(job.JobMail)(ctx, d, dead)
}

// recordDead records a dead letter in the status of its mail. A job without a valid
// id has no status; its dead letter says why.
func (j *mailJobs) recordDead(ctx context.Context, d pipeline.Delivery, dead deadletter.Letter) error {
	m, _ := job.DecodeKnown[job.Mail](d.Body) // an empty mail if it is malformed
	var err error
	if m.ID, err = readID(m.ID, d.Subject); err != nil {
		return nil //nolint:nilerr // see above
	}
	consumer := mailConsumer(d.Subject)
	status := mail.NewDelivery(m, job.DeliveryDeferred, time.Now().UTC())
	status.Reply, status.DeadSubject = dead.Error, topology.DeadSubject(consumer.Stream, consumer.Name, dead.Sequence)
	return j.deliveries.RecordDead(ctx, status)
}

// mailConsumer returns the consumer that takes the mail jobs with a subject.
func mailConsumer(subject string) topology.Consumer {
	for _, class := range job.MailClasses() {
		if topology.InMailClass(subject, class) {
			return topology.MailConsumer(class)
		}
	}
	return topology.MailCallConsumer()
}

// hasOutcome reports whether a job gets an outcome: it was enqueued or called by
// a client, not by the notifier.
func hasOutcome(subject string) bool {
	return topology.InMailClass(subject, job.MailAdhoc) || topology.IsCall(subject)
}

// AllowedMails says which mails clients may enqueue: patterns for addresses,
// such as *@example.org, regardless of case. An empty list allows all
// addresses. Mails from the notifier are not checked, since the operators
// configure their recipients.
type AllowedMails struct {
	From, Recipients []string
}

// check returns an error for a mail that is not allowed.
func (a AllowedMails) check(m job.Mail) error {
	var problems []error
	if m.From != "" && !matchesAny(a.From, m.From) {
		problems = append(problems, fmt.Errorf("from: found %s, expected an address in allow_from", m.From))
	}
	for _, to := range slices.Concat([]string{m.To}, m.ShownTo, m.CC) {
		if !matchesAny(a.Recipients, to) {
			problems = append(problems, fmt.Errorf("to: found %s, expected an address in allow_recipients", to))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return job.Dead(job.ReasonForbidden, fmt.Errorf("send mail %s: %w", m.ID, err))
	}
	return nil
}

func matchesAny(patterns []string, address string) bool {
	key := notify.AddressKey(address)
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(strings.ToLower(pattern), key)
		return matched && err == nil
	})
}
