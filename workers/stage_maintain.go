package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// maintainStage is the branch that looks after the pipeline itself: it tells the
// operators of dead letters, stuck handlers, processes that fell silent and the
// like, a few of them in one mail, and rescues jobs that the server gave up on.
//
// What is yet to be told stands under one key, which any process changes by
// compare-and-swap, and a timer of the server's says when: so there is one mail
// however many processes notice something, and none is lost with one of them.
type maintainStage struct {
	*shared

	book    notify.Directory
	digests *pipeline.Bucket // what the part "operators" opens, for the pools
}

// digestKey is where the digest stands, and topology.TimerDigest what its timer is.
const (
	digestKey = "operators"
)

// branch:
//
//	operate            rest_for_one
//	├── operators      knows who is told
//	└── parts          dynamic
//	    ├── processes        notices those that fall silent
//	    ├── roles            notices that nobody does a part of the work
//	    ├── saturation       notices that checks miss slots for lack of room
//	    ├── operate-notices  gathers what anybody has to tell
//	    ├── operate-letters  gathers dead letters
//	    ├── operate-digest   mails what was gathered, when it is due
//	    └── operate-rescue   buries stranded jobs
func (o *maintainStage) branch() (supervise.Child, error) {
	watch, roles, saturation := &processWatch{shared: o.shared}, &stageWatch{shared: o.shared}, &saturationWatch{shared: o.shared}
	return o.shared.branch(StageMaintain,
		[]supervise.Child{o.child("operators", o.follow)},
		[]supervise.Child{
			o.child("processes", watch.serve),
			o.child("roles", roles.serve),
			o.child("saturation", saturation.serve),
			o.pool(topology.NoticeConsumer(), func() pool.Config { return o.config(o.notice) }),
			o.pool(topology.DeadLetterConsumer(), func() pool.Config {
				config := o.config(o.letter)
				config.MaxUnsettled = manyUnsettled
				return config
			}),
			o.pool(topology.DigestConsumer(), func() pool.Config {
				return o.config(o.tell)
			}),
			o.pool(topology.RescueConsumer(), func() pool.Config {
				return o.config(func(ctx context.Context, _ *pipeline.Bucket, d pipeline.Delivery) error {
					return deadletter.Rescue(ctx, o.p, d)
				})
			}),
		})
}

func (o *maintainStage) config(handle func(context.Context, *pipeline.Bucket, pipeline.Delivery) error) pool.Config {
	config, digests := o.base, o.digests
	config.Stage, config.Backoff = StageMaintain, retryBackoff()
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error { return handle(ctx, digests, d) }
	return config
}

// follow learns who the operators are until ctx ends. It is ready when it knows
// those that there are.
func (o *maintainStage) follow(ctx context.Context) error {
	definitions, err := o.p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return err
	}
	if o.digests, err = o.p.Bucket(ctx, topology.Digests); err != nil {
		return err
	}
	return definitions.WatchMatching(ctx, topology.NonMonitorKeys(), func(e pipeline.Entry) { o.learn(ctx, e) }, func() { supervise.Ready(ctx) })
}

// learn takes in who the operators are.
func (o *maintainStage) learn(ctx context.Context, e pipeline.Entry) {
	name, isRecipient := topology.CutRecipientKey(e.Key)
	var err error
	switch {
	case isRecipient && e.Deleted:
		o.book.Remove(name)
	case isRecipient:
		var recipient job.Recipient
		if recipient, err = job.DecodeKnown[job.Recipient](e.Value); err == nil { // operators must hear in any case
			o.book.Set(recipient)
		}
	case e.Key == topology.SettingsKey && e.Deleted:
		o.book.SetSettings(job.Settings{})
	case e.Key == topology.SettingsKey:
		var settings job.Settings
		if settings, err = job.DecodeKnown[job.Settings](e.Value); err == nil {
			o.book.SetSettings(settings)
		}
	default: // of a newer version
	}
	if err != nil {
		o.log.ErrorContext(ctx, "stored definition cannot be read", "key", e.Key, "error", err)
	}
}

// addresses are the operators'.
func (o *maintainStage) addresses(ctx context.Context) []string {
	addresses, unknown := o.book.Addresses(o.book.Operators())
	for _, name := range unknown {
		o.log.ErrorContext(ctx, "operator is not a defined recipient", "recipient", name)
	}
	return addresses
}

func (o *maintainStage) notice(ctx context.Context, digests *pipeline.Bucket, d pipeline.Delivery) error {
	notice, err := job.Decode[job.Notice](d.Body)
	if err != nil {
		return job.DeadFor(err)
	}
	return o.collect(ctx, digests, notice)
}

// letter tells the operators of a dead letter, and gives one back that was parked
// until the likes of this process live.
func (o *maintainStage) letter(ctx context.Context, digests *pipeline.Bucket, d pipeline.Delivery) error {
	letter := deadletter.Read(d)
	parked := letter.Reason == job.ReasonUnsupported
	switch {
	case parked && !job.Newer(letter.Body):
		return deadletter.Replay(ctx, o.p, letter)
	case parked && d.Redelivered:
		return job.Interrupted(errParked, parkedPeriod) // the operators know
	}
	err := o.tellDead(ctx, digests, d.Subject, letter)
	if err == nil && parked {
		return job.Interrupted(errParked, parkedPeriod)
	}
	return err
}

// tellDead makes a notice of a dead letter. One that was a mail to the operators
// themselves is in the log alone: a mail about it would fare no better.
func (o *maintainStage) tellDead(ctx context.Context, digests *pipeline.Bucket, subject string, letter deadletter.Letter) error {
	if topology.InMailClass(letter.Subject, job.MailOperator) {
		o.log.ErrorContext(ctx, "mail to operators is dead", "letter", letter.ID, "reason", letter.Reason, "error", letter.Error)
		return nil
	}
	return o.collect(ctx, digests, notify.DeadLetterNotice(subject, letter.Stage, letter.Subject, letter.Reason, letter.Error, letter.Worker, letter.DeadAt))
}

// errParked is what becomes of a letter that waits for a newer process, which
// looks at it like this one.
var errParked = errors.New("job is parked until a newer process takes it")

// parkedPeriod is how often a parked job is looked at.
const parkedPeriod = 20 * time.Second

// swapAttempts is how often a swap is tried before the job is tried again later:
// others who win each time have work of the same kind.
const swapAttempts = 10

// collect puts a notice into the digest. Without operators nobody waits for it;
// streams and logs have it.
func (o *maintainStage) collect(ctx context.Context, digests *pipeline.Bucket, n job.Notice) error {
	if len(o.addresses(ctx)) == 0 {
		return nil
	}
	return o.change(ctx, digests, func(before job.Digest) (job.Digest, bool) {
		return notify.Collect(before, n, time.Now())
	})
}

// change changes the digest by compare-and-swap, and sets its timer when that
// is new or may be missing: a process may die between the two.
func (o *maintainStage) change(ctx context.Context, digests *pipeline.Bucket, step func(job.Digest) (job.Digest, bool)) error {
	for range swapAttempts {
		before, revision, err := readDigest(ctx, digests)
		if err != nil {
			return err
		}
		after, changed := step(before)
		if changed {
			body, err := job.Encode(after)
			if err != nil {
				return err
			}
			_, err = digests.CompareAndSwap(ctx, digestKey, body, revision)
			if errors.Is(err, pipeline.ErrConflict) {
				continue
			}
			if err != nil {
				return fmt.Errorf("write digest: %w", err)
			}
		}
		if after.Due.IsZero() || changed && after.Due.Equal(before.Due) {
			return nil
		}
		return o.p.SetTimer(ctx, topology.TimerDigest, digestKey, after.Due, nil)
	}
	return fmt.Errorf("write digest: %w", pipeline.ErrConflict)
}

func readDigest(ctx context.Context, digests *pipeline.Bucket) (job.Digest, uint64, error) {
	found, err := digests.Get(ctx, digestKey)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.Digest{}, 0, nil
	}
	if err != nil {
		return job.Digest{}, 0, fmt.Errorf("read digest: %w", err)
	}
	digest, err := job.Decode[job.Digest](found.Value)
	if errors.Is(err, job.ErrNewer) {
		return job.Digest{}, found.Revision, fmt.Errorf("read digest: %w", err)
	}
	if err != nil {
		return job.Digest{}, found.Revision, nil //nolint:nilerr // what cannot be read cannot be told; the next write replaces it
	}
	return digest, found.Revision, nil
}

// tell mails the digest to the operators, if it is due. A mail whose id was
// ordered before is the same mail.
func (o *maintainStage) tell(ctx context.Context, digests *pipeline.Bucket, _ pipeline.Delivery) error {
	digest, _, err := readDigest(ctx, digests)
	if err != nil {
		return err
	}
	if digest.Due.IsZero() || time.Now().Before(digest.Due) {
		return nil // it was told, or moved; another timer is set
	}
	outbox := mailOutbox{p: o.p, class: job.MailOperator}
	for _, address := range o.addresses(ctx) {
		if err := outbox.Enqueue(ctx, notify.DigestMail(digest, address)); err != nil {
			return err
		}
	}
	return o.change(ctx, digests, func(now job.Digest) (job.Digest, bool) {
		if !now.Due.Equal(digest.Due) {
			return now, false // somebody else has told it
		}
		return notify.Mailed(now, digest), true
	})
}
