package workers

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/workers/notify"
)

// announce is the branch that turns transitions into mails: what happened is
// taken into accounts, one for each address and monitor; and mailings, one for
// each address and group, decide when the next mail goes and what it tells.
// Both are in a bucket, and the times in timers of the server's, so that any
// process can go on where another was.
type announce struct {
	*parts

	words *notify.Words

	notifier *notifier // what the part "recipients" makes, for the pools
}

// notifier does the work of the branch.
type notifier struct {
	*parts

	words       *notify.Words
	ledger      *ledger
	sent        *sentLedger
	states      *pipeline.Bucket
	definitions *pipeline.Bucket
	replies     *pipeline.Replies
	book        notify.Book
	quiet       notify.Quiet
	now         func() time.Time

	mu       sync.Mutex
	taken    map[string]int // by monitor, the sequence of the last state that was taken in
	verdicts map[string]verdict
}

// branch:
//
//	notify             rest_for_one
//	├── recipients     knows who is told, and who wants no mail
//	└── parts          dynamic
//	    ├── notify           takes in what happened
//	    ├── notify-mailings  mails what is due
//	    └── notify-sweep     looks for what a crash left behind
func (a *announce) branch() (supervise.Child, error) {
	return a.parts.branch(StageNotify,
		[]supervise.Child{a.part("recipients", a.follow)},
		[]supervise.Child{
			a.pool(pipeline.ConsumerNotify, a.takingPool),
			a.pool(pipeline.ConsumerMailings, func() pipeline.PoolConfig {
				return a.timerPool(mailingTimer, a.notifier.due)
			}),
			a.pool(pipeline.ConsumerSweep, func() pipeline.PoolConfig {
				return a.timerPool(sweepTimer, a.notifier.sweep)
			}),
		})
}

// follow learns recipients, settings and silences until ctx ends. It is ready
// when it knows those that there are.
func (a *announce) follow(ctx context.Context) error {
	n, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = n.replies.Close() }() // it fails only when the connection is gone, and the subscription with it
	silences, err := a.p.Bucket(ctx, pipeline.Silences)
	if err != nil {
		return err
	}
	a.notifier = n
	whole := ctx // whose readiness it is
	group, ctx := errgroup.WithContext(ctx)
	knowDefinitions, knowSilences := make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		return n.definitions.Watch(ctx, func(e pipeline.Entry) { n.learn(ctx, e) }, func() { close(knowDefinitions) })
	})
	group.Go(func() error {
		live := false
		return silences.Watch(ctx, func(e pipeline.Entry) { n.learnSilence(ctx, e, live) }, func() { live = true; close(knowSilences) })
	})
	group.Go(func() error {
		if !await(ctx, knowDefinitions, knowSilences) {
			return nil
		}
		if err := n.p.SetTimer(ctx, sweepTimer, sweepID, n.now().Add(firstSweep), nil); err != nil {
			return err
		}
		supervise.Ready(whole)
		return nil
	})
	return group.Wait()
}

// open opens what a notifier works with.
func (a *announce) open(ctx context.Context) (*notifier, error) {
	n := &notifier{parts: a.parts, words: a.words, now: time.Now, taken: map[string]int{}, verdicts: map[string]verdict{}}
	var errs []error
	bucket := func(name pipeline.BucketName) *pipeline.Bucket {
		b, err := a.p.Bucket(ctx, name)
		errs = append(errs, err)
		return b
	}
	n.ledger = &ledger{bucket: bucket(pipeline.Ledger)}
	n.sent = &sentLedger{bucket: bucket(pipeline.Sent)}
	n.states, n.definitions = bucket(pipeline.States), bucket(pipeline.Monitors)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var err error
	n.replies, err = a.p.Replies()
	return n, err
}

func (a *announce) takingPool() pipeline.PoolConfig {
	config, n := a.base, a.notifier
	config.Stage, config.Stream, config.Curve = StageNotify, pipeline.StateLog, shortCurve()
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error {
		if d.Deleted {
			return nil
		}
		state, err := job.Decode[job.State](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		return n.take(ctx, &state)
	}
	return config
}

func (a *announce) timerPool(what string, handle func(context.Context, pipeline.Delivery) error) pipeline.PoolConfig {
	config := a.base
	config.Stage, config.Stream, config.Filter, config.Curve = StageNotify, pipeline.Timer, pipeline.TimerSubject(what, "*"), shortCurve()
	config.Handler = handle
	return config
}

// learn takes in a recipient or the settings.
func (n *notifier) learn(ctx context.Context, e pipeline.Entry) {
	name, isRecipient := pipeline.CutRecipientKey(e.Key)
	var err error
	switch {
	case isRecipient && e.Deleted:
		n.book.Remove(name)
	case isRecipient:
		var recipient job.Recipient
		if recipient, err = job.Decode[job.Recipient](e.Value); err == nil {
			n.book.Set(recipient)
		}
	case e.Key == pipeline.SettingsKey:
		var settings job.Settings
		if !e.Deleted {
			settings, err = job.Decode[job.Settings](e.Value)
		}
		if err == nil {
			n.book.SetSettings(settings)
			err = n.quiet.SetWindows(settings.Maintenance)
		}
	default: // monitors are looked up when they matter
	}
	if err != nil {
		n.log.ErrorContext(ctx, "stored definition cannot be read", "key", e.Key, "error", err)
	}
}

// learnSilence takes in a silence. One that is new, or ends earlier than it was
// to, may let something go or hold it back.
func (n *notifier) learnSilence(ctx context.Context, e pipeline.Entry, live bool) {
	if e.Deleted {
		n.quiet.Remove(e.Key)
	} else {
		silence, err := job.Decode[job.Silence](e.Value)
		if err != nil {
			n.log.ErrorContext(ctx, "stored silence cannot be read", "silence", e.Key, "error", err)
			return
		}
		n.quiet.Set(silence)
	}
	if !live {
		return
	}
	if err := n.p.SetTimer(ctx, sweepTimer, sweepID, n.now(), nil); err != nil {
		n.log.WarnContext(ctx, "look at what is held back; it will be within minutes", "error", err)
	}
}

// mailOutbox orders mails of the pipeline, all of one class.
type mailOutbox struct {
	p     *pipeline.Pipeline
	class string
}

// Enqueue orders a mail. One that is already ordered, queued or being sent is
// no error: its id says that it is the same.
func (o *mailOutbox) Enqueue(ctx context.Context, m job.Mail) error {
	body, err := job.Encode(m)
	if err != nil {
		return err
	}
	err = o.p.Publish(ctx, pipeline.Message{Subject: pipeline.MailSubject(o.class, m.ID), Body: body, ID: "mail-" + m.ID})
	if errors.Is(err, pipeline.ErrOccupied) {
		return nil
	}
	return err
}
