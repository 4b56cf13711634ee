package mail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Deliveries stores the delivery status of mails for as long as a job may be
// delivered again.
type Deliveries interface {
	// Delivery returns the status of a mail, and whether there is one.
	Delivery(ctx context.Context, id string) (job.Delivery, bool, error)
	// Begin records the start of an attempt, unless the mail was sent or
	// withdrawn, or another worker's attempt holds it: see
	// [job.Delivery.HeldFor]. It returns the status that is stored afterwards.
	Begin(ctx context.Context, begun job.Delivery) (job.Delivery, error)
	// Record replaces the status of a mail.
	Record(ctx context.Context, sent job.Delivery) error
}

// Transport carries mails: a [*Sender] or a [*Maildir].
type Transport interface {
	// Send makes one attempt. Its errors are described at [JobError]. It must
	// be safe for concurrent use.
	Send(ctx context.Context, m job.Mail, stored time.Time) (Receipt, error)
}

// WorkerConfig configures a [Worker].
type WorkerConfig struct {
	Transport  Transport
	Deliveries Deliveries
	// RecipientPerMinute is the maximum number of mails a minute from this
	// worker to an address; zero means no limit. Further mails wait, without
	// counting an attempt.
	RecipientPerMinute int
	// Accepted defaults to an own one. A worker that replaces another one in the
	// same process gets the other one's.
	Accepted *Accepted
	// Now defaults to time.Now.
	Now func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Worker handles mail jobs. It is safe for concurrent use with different mails;
// the queue gives each mail to one worker.
type Worker struct {
	config WorkerConfig
	quota  *recipientQuota

	mu       sync.Mutex // guards attempts
	attempts map[Class]uint64
}

// NewWorker returns a Worker. The error names what is missing.
func NewWorker(config WorkerConfig) (*Worker, error) {
	if config.Transport == nil || config.Deliveries == nil {
		return nil, errors.New("set up mail worker: found no transport or no deliveries")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Accepted = cmp.Or(config.Accepted, &Accepted{})
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	return &Worker{config: config, quota: newRecipientQuota(config.RecipientPerMinute), attempts: map[Class]uint64{}}, nil
}

// Attempt describes an attempt at a mail.
type Attempt struct {
	// Stored is when the job was stored.
	Stored time.Time
	// Retry is how long the mail waits for the next attempt, if this one fails and
	// counts. Zero leaves that to the pool, and the record of the attempt without it.
	Retry time.Duration
}

// Handle handles one job. The returned error is the job's result, as package job
// defines it.
//
// Before sending, the start of the attempt is recorded. That proves that the
// store can be written, without which a sent mail could not be recorded as
// sent. From then on the mail cannot be withdrawn, and if this process dies,
// the next worker knows that the mail may arrive twice. A store that cannot be
// reached counts no attempt.
func (w *Worker) Handle(ctx context.Context, m job.Mail, a Attempt) error {
	if sent, found := w.config.Accepted.find(m.ID); found {
		return w.recordAgain(ctx, sent)
	}
	if now := w.config.Now(); !m.NotAfter.IsZero() && now.After(m.NotAfter) {
		return w.expired(ctx, m)
	}
	if err := w.quota.take(m, w.config.Now()); err != nil {
		return err
	}
	begun := w.config.Now().UTC()
	found, err := w.config.Deliveries.Begin(ctx, NewDelivery(m, job.DeliverySending, begun))
	if err != nil {
		return job.Interrupted(fmt.Errorf("record attempt at mail %s: %w", m.ID, err), storeDelay)
	}
	if found.Final() {
		w.config.Logger.DebugContext(ctx, "mail needs no attempt", "id", m.ID, "state", found.State, "relay", found.Relay, "at", found.At)
		return nil
	}
	if held := found.HeldFor(begun); held > 0 && !found.At.Equal(begun) {
		return job.Interrupted(fmt.Errorf("send mail %s: another worker's attempt began at %s", m.ID, found.At.Format(time.RFC3339)), held)
	}
	receipt, err := w.config.Transport.Send(ctx, m, a.Stored)
	if err != nil {
		return w.attemptFailed(ctx, m, err, a.Retry)
	}
	w.recordSent(ctx, m, receipt)
	return nil
}

// expired ends a job whose mail is no longer wanted, unless it was sent in
// time.
func (w *Worker) expired(ctx context.Context, m job.Mail) error {
	found, _, err := w.config.Deliveries.Delivery(ctx, m.ID)
	if err != nil {
		return job.Interrupted(fmt.Errorf("read status of mail %s: %w", m.ID, err), storeDelay)
	}
	if found.Final() {
		return nil
	}
	return job.Dead(job.ReasonExpired, fmt.Errorf("send mail %s: its not_after %s has passed", m.ID, m.NotAfter.UTC().Format(time.RFC3339)))
}

// storeDelay is how long a mail waits when its status cannot be read or
// written.
const storeDelay = 5 * time.Second

// attemptFailed records a failure. An attempt that counts is repeated after retry,
// or sooner if the relay defers all mails.
func (w *Worker) attemptFailed(ctx context.Context, m job.Mail, err error, retry time.Duration) error {
	result := JobError(err)
	if failed, ok := errors.AsType[*Error](err); ok {
		w.count(failed.Class)
		level := slog.LevelInfo
		if failed.Class == ClassUnknown {
			level = slog.LevelWarn // the recipient may get the mail twice
		}
		w.config.Logger.Log(ctx, level, "mail was not delivered", "id", m.ID, "class", failed.Class, "error", err)
		result = retryIn(result, retry, failed.RetryWithin)
		w.recordFailure(ctx, m, failed, result)
	}
	return result
}

// retryIn turns a plain error, which counts as an attempt, into a retry at a known
// time.
func retryIn(result error, retry, within time.Duration) error {
	_, dead := errors.AsType[*job.DeadError](result)
	_, known := errors.AsType[*job.RetryError](result)
	if within > 0 {
		retry = min(retry, within)
	}
	if dead || known || retry <= 0 {
		return result
	}
	return job.RetryIn(result, retry)
}

// NewDelivery returns the status of a mail, with what people know the mail by.
func NewDelivery(m job.Mail, state job.DeliveryState, at time.Time) job.Delivery {
	return job.Delivery{V: job.Version, ID: m.ID, State: state, At: at, To: oneLine(m.To), Subject: shortened(oneLine(m.Subject))}
}

// maxSubject is the longest subject in a delivery status, in bytes.
const maxSubject = 200

func shortened(subject string) string {
	if len(subject) <= maxSubject {
		return subject
	}
	return strings.ToValidUTF8(subject[:maxSubject], "") + "…"
}

// recordFailure records that the last attempt failed, after which the mail can
// be withdrawn, or that its outcome is unknown, after which it cannot. Without
// a record it cannot either.
func (w *Worker) recordFailure(ctx context.Context, m job.Mail, failed *Error, result error) {
	ctx, cancel := withGrace(ctx, recordGrace)
	defer cancel()
	state := job.DeliveryDeferred
	if failed.Class == ClassUnknown {
		state = job.DeliverySending
	}
	sent := NewDelivery(m, state, w.config.Now().UTC())
	sent.Relay, sent.Reply = failed.Relay, failed.brief()
	if retry, ok := errors.AsType[*job.RetryError](result); ok {
		sent.NextTry = sent.At.Add(retry.After)
	}
	if err := w.config.Deliveries.Record(ctx, sent); err != nil {
		w.config.Logger.WarnContext(ctx, "failed attempt could not be recorded", "id", m.ID, "error", err)
	}
}

// recordSent records a mail that a relay has accepted. The job is done even if
// that fails: as a failed job the mail would certainly be sent again, while a
// job without a record is sent again only if its acknowledgement is lost too.
func (w *Worker) recordSent(ctx context.Context, m job.Mail, receipt Receipt) {
	w.count(ClassDelivered)
	w.config.Logger.InfoContext(ctx, "mail delivered", "id", m.ID, "relay", receipt.Relay, "reply", receipt.Reply)
	sent := NewDelivery(m, job.DeliverySent, w.config.Now().UTC())
	sent.Relay, sent.Reply = receipt.Relay, receipt.Reply
	w.config.Accepted.add(sent)
	if err := w.recordRetrying(ctx, sent); err != nil {
		w.config.Logger.ErrorContext(ctx, "delivered mail could not be recorded; another process may send it again", "id", m.ID, "error", err)
		return
	}
	w.config.Accepted.recorded(m.ID)
}

// recordAgain records a mail that was accepted when it could not be recorded.
func (w *Worker) recordAgain(ctx context.Context, sent job.Delivery) error {
	if err := w.config.Deliveries.Record(ctx, sent); err != nil {
		return job.Interrupted(fmt.Errorf("record accepted mail %s: %w", sent.ID, err), storeDelay)
	}
	w.config.Accepted.recorded(sent.ID)
	w.config.Logger.InfoContext(ctx, "mail was delivered before; recorded now", "id", sent.ID)
	return nil
}

const (
	// recordPause is the pause after the first failure to record a delivery. It
	// doubles each time; once it exceeds recordMaxPause, the worker gives up:
	// six tries in 6 s.
	recordPause    = 200 * time.Millisecond
	recordMaxPause = 4 * time.Second
	// recordGrace is how long recording may go on after the context has ended.
	// With dotGrace it stays below the time after which a pool reports a job as
	// stuck.
	recordGrace = 500 * time.Millisecond
)

// recordRetrying records a delivery with retries, for recordGrace also after
// ctx has ended: a mail that was accepted in the last moment must be recorded.
func (w *Worker) recordRetrying(ctx context.Context, sent job.Delivery) error {
	ctx, cancel := withGrace(ctx, recordGrace)
	defer cancel()
	for pause := recordPause; ; pause *= 2 {
		err := w.config.Deliveries.Record(ctx, sent)
		if err == nil || pause > recordMaxPause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// withGrace returns a context that ends d after its parent.
func withGrace(parent context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		select {
		case <-time.After(d):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		stop()
		cancel()
	}
}

func (w *Worker) count(class Class) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts[class]++
}

// Attempts returns the number of attempts since the start for each class. The
// count for [ClassUnknown] is how many mails may have arrived twice.
func (w *Worker) Attempts() map[Class]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.attempts)
}
