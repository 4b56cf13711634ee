package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Deliveries remembers what became of mails, for as long as one may come again.
type Deliveries interface {
	// Delivery returns what is known of a mail, and whether anything is.
	Delivery(ctx context.Context, id string) (job.Delivery, bool, error)
	// Begin marks that an attempt begins, unless the mail has left by then, was
	// withdrawn, or is in somebody else's hand: see [job.Delivery.HeldFor]. It returns
	// what is known of the mail now.
	Begin(ctx context.Context, id string, at time.Time) (job.Delivery, error)
	// Record replaces what is known of a mail.
	Record(ctx context.Context, sent job.Delivery) error
}

// Transport carries mails: a [*Sender] or a [*Maildir].
type Transport interface {
	// Send makes one attempt. Its errors are those that [] knows. It must
	// be safe for concurrent use.
	Send(ctx context.Context, m job.Mail, stored time.Time) (Receipt, error)
}

// WorkerConfig says what a [Worker] works with.
type WorkerConfig struct {
	Transport  Transport
	Deliveries Deliveries
	// RecipientPerMinute is how many mails an address gets a minute from this
	// worker; zero means any number. The others wait, which costs no attempt.
	RecipientPerMinute int
	// Now defaults to time.Now.
	Now func() time.Time
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Worker does mail jobs. It is safe for concurrent use with different mails;
// the queue sees to it that one mail is with one worker.
type Worker struct {
	transport Transport
	deliveries    Deliveries
	quota     *recipientQuota
	now       func() time.Time
	log       *slog.Logger

	mu       sync.Mutex // guards outcomes
	attempts map[Class]uint64
}

// NewWorker returns a Worker. The error names what is missing.
func NewWorker(config WorkerConfig) (*Worker, error) {
	if config.Transport == nil || config.Deliveries == nil {
		return nil, errors.New("set up mail worker: found no transport or no ledger")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Worker{
		transport: config.Transport, deliveries: config.Deliveries, quota: newRecipientQuota(config.RecipientPerMinute), now: config.Now, log: config.Logger,
		attempts: make(map[Class]uint64),
	}, nil
}

// Handle does one job: a mail that was stored at the given time. The returned
// error is the job's fate, as package job defines it.
//
// First an intent is written, unless the mail has left or was withdrawn: it shows
// that the ledger can be written, without which a mail that is sent could not be
// known as sent; from then on nobody can withdraw the mail; and if this process
// dies, whoever gets the mail next can tell that it may arrive twice. A ledger
// that cannot be reached costs no attempt.
func (w *Worker) Handle(ctx context.Context, m job.Mail, stored time.Time) error {
	if now := w.now(); !m.NotAfter.IsZero() && now.After(m.NotAfter) {
		return w.expired(ctx, m)
	}
	if err := w.quota.take(m, w.now()); err != nil {
		return err
	}
	begun := w.now().UTC()
	sent, err := w.deliveries.Begin(ctx, m.ID, begun)
	if err != nil {
		return job.Interrupted(fmt.Errorf("write ledger of mail %s: %w", m.ID, err), storeDelay)
	}
	if sent.Final() {
		w.log.DebugContext(ctx, "mail was sent before, or withdrawn", "id", m.ID, "relay", sent.Relay, "at", sent.At, "state", sent.State)
		return nil
	}
	if held := sent.HeldFor(begun); held > 0 && !sent.At.Equal(begun) {
		return job.Interrupted(fmt.Errorf("send mail %s: somebody else began to at %s", m.ID, sent.At.Format(time.RFC3339)), held)
	}
	receipt, err := w.transport.Send(ctx, m, stored)
	if err != nil {
		return w.attemptFailed(ctx, m, err)
	}
	w.recordSent(ctx, m, receipt)
	return nil
}

// expired ends a mail that is no longer wanted, unless it has left before that.
func (w *Worker) expired(ctx context.Context, m job.Mail) error {
	sent, _, err := w.deliveries.Delivery(ctx, m.ID)
	if err != nil {
		return job.Interrupted(fmt.Errorf("read ledger of mail %s: %w", m.ID, err), storeDelay)
	}
	if sent.Final() {
		return nil
	}
	return job.Dead(job.ReasonExpired, fmt.Errorf("send mail %s: wanted until %s", m.ID, m.NotAfter.UTC().Format(time.RFC3339)))
}

// storeDelay is how long a mail waits for a ledger that cannot be reached.
const storeDelay = 5 * time.Second

func (w *Worker) attemptFailed(ctx context.Context, m job.Mail, err error) error {
	if failed, ok := errors.AsType[*Error](err); ok {
		w.count(failed.Class)
		level := slog.LevelInfo
		if failed.Class == ClassUnknown {
			level = slog.LevelWarn // whoever reads the mail may get it twice
		}
		w.log.Log(ctx, level, "mail was not delivered", "id", m.ID, "class", failed.Class, "error", err)
		w.recordFailure(ctx, m, failed)
	}
	return JobError(err)
}

// recordFailure records that a mail has certainly not left, so that it can be
// withdrawn while it waits, or that nobody knows, so that it cannot. Without the
// record it cannot either.
func (w *Worker) recordFailure(ctx context.Context, m job.Mail, failed *Error) {
	ctx, cancel := withGrace(ctx, recordGrace)
	defer cancel()
	state := job.DeliveryDeferred
	if failed.Class == ClassUnknown {
		state = job.DeliverySending
	}
	sent := job.Delivery{V: job.Version, ID: m.ID, State: state, At: w.now().UTC(), Relay: failed.Relay, Reply: oneLine(failed.Error())}
	if err := w.deliveries.Record(ctx, sent); err != nil {
		w.log.WarnContext(ctx, "write ledger of mail that was not delivered", "id", m.ID, "error", err)
	}
}

// recordSent records a mail that a relay has taken. Whatever happens here, the
// job is done: to call it failed would send the mail again for certain, while
// done without a record sends it again only if the acknowledgement is lost too.
func (w *Worker) recordSent(ctx context.Context, m job.Mail, receipt Receipt) {
	w.count(ClassDelivered)
	w.log.InfoContext(ctx, "mail delivered", "id", m.ID, "relay", receipt.Relay, "reply", receipt.Reply)
	err := w.recordRetrying(ctx, job.Delivery{V: job.Version, ID: m.ID, State: job.DeliverySent, At: w.now().UTC(), Relay: receipt.Relay, Reply: receipt.Reply})
	if err != nil {
		w.log.ErrorContext(ctx, "delivered mail is not in the ledger: it may be sent twice", "id", m.ID, "error", err)
	}
}

const (
	// recordPause is the first pause between the tries to record a delivery;
	// each is twice as long, and after recordMaxPause it is given up: six tries
	// in 6 s.
	recordPause    = 200 * time.Millisecond
	recordMaxPause = 4 * time.Second
	// recordGrace is how long that may go on after the context's end. With
	// dotGrace it stays below what a pool calls stuck.
	recordGrace = 500 * time.Millisecond
)

// recordRetrying writes to the ledger, also for a moment after the end of ctx: a mail
// that was taken in the last moment counts like any other.
func (w *Worker) recordRetrying(ctx context.Context, sent job.Delivery) error {
	ctx, cancel := withGrace(ctx, recordGrace)
	defer cancel()
	for pause := recordPause; ; pause *= 2 {
		err := w.deliveries.Record(ctx, sent)
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

// Attempts returns how many attempts came to which class since the start.
// [ClassUnknown] is how many mails may have arrived twice.
func (w *Worker) Attempts() map[Class]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.attempts)
}
