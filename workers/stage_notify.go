package workers

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// notifyStage is the branch that turns transitions into mails: what happened is
// taken into accounts, one for each address and monitor; and mailings, one for
// each address and group, decide when the next mail goes and what it tells.
// Both are in a bucket, and the times in timers of the server's, so that any
// process can go on where another was.
type notifyStage struct {
	*shared

	words *notify.Renderer

	notifier *notify.Notifier  // what the part "recipients" makes, for the pools
	newer    *newerDefinitions // so is this
}

// branch:
//
//	notify             rest_for_one
//	├── recipients     knows who is told, and who wants no mail
//	└── parts          dynamic
//	    ├── notify           takes in what happened
//	    ├── notify-flush  mails what is due
//	    └── notify-sweep     looks for what a crash left behind
func (a *notifyStage) branch() (supervise.Child, error) {
	return a.shared.branch(StageNotify,
		[]supervise.Child{a.child("recipients", a.follow)},
		[]supervise.Child{
			a.pool(topology.NotifyConsumer(), a.takingPool),
			a.pool(topology.FlushConsumer(), func() pool.Config {
				n := a.notifier
				return a.timerPool(func(ctx context.Context, d pipeline.Delivery) error {
					return n.Due(ctx, strings.TrimPrefix(d.Subject, topology.TimerSubject(topology.TimerFlush, "")))
				})
			}),
			a.pool(topology.SweepConsumer(), func() pool.Config {
				n := a.notifier
				return a.timerPool(func(ctx context.Context, _ pipeline.Delivery) error { return n.Sweep(ctx) })
			}),
		})
}

// follow learns recipients, settings and silences until ctx ends. It is ready
// when it knows those that there are.
func (a *notifyStage) follow(ctx context.Context) error {
	replies, err := a.p.Replies()
	if err != nil {
		return err
	}
	defer func() { _ = replies.Close() }() // it fails only when the connection is gone, and the subscription with it
	buckets, err := a.open(ctx)
	if err != nil {
		return err
	}
	family := newFamily(a.shared, buckets, replies)
	n, err := notify.New(notify.Config{
		Store: &ledgerStore{bucket: buckets[topology.Notifications]}, Outbox: &alertOutbox{p: a.p}, Deliveries: &deliveryStore{bucket: buckets[topology.Deliveries]},
		Timers: &timers{p: a.p}, Renderer: a.words, Parent: family.parents, Logger: a.log,
	})
	if err != nil {
		return err
	}
	a.notifier, a.newer = n, &newerDefinitions{shared: a.shared}
	return a.learnAll(ctx, n, buckets)
}

// open opens the buckets that a notifier works with.
func (a *notifyStage) open(ctx context.Context) (map[topology.Bucket]*pipeline.Bucket, error) {
	buckets := map[topology.Bucket]*pipeline.Bucket{}
	for _, name := range []topology.Bucket{topology.Notifications, topology.Deliveries, topology.States, topology.Monitors, topology.Silences} {
		bucket, err := a.p.Bucket(ctx, name)
		if err != nil {
			return nil, err
		}
		buckets[name] = bucket
	}
	return buckets, nil
}

// learnAll follows what people say until ctx ends.
func (a *notifyStage) learnAll(ctx context.Context, n *notify.Notifier, buckets map[topology.Bucket]*pipeline.Bucket) error {
	whole := ctx // whose readiness it is
	group, ctx := errgroup.WithContext(ctx)
	knowDefinitions, knowSilences := make(chan struct{}), make(chan struct{})
	group.Go(func() error {
		live := false
		return buckets[topology.Monitors].WatchMatching(ctx, topology.NonMonitorKeys(), func(e pipeline.Entry) { a.learn(ctx, n, e, live) }, func() { live = true; close(knowDefinitions) })
	})
	group.Go(func() error {
		live := false
		return buckets[topology.Silences].Watch(ctx, func(e pipeline.Entry) { a.learnSilence(ctx, n, e, live) }, func() { live = true; close(knowSilences) })
	})
	group.Go(func() error {
		if !await(ctx, knowDefinitions, knowSilences) {
			return nil
		}
		if err := n.SweepIn(ctx, notify.FirstSweep); err != nil {
			return err
		}
		supervise.Ready(whole)
		return nil
	})
	return group.Wait()
}

func (a *notifyStage) takingPool() pool.Config {
	config, n := a.base, a.notifier
	config.Stage, config.Backoff = StageNotify, retryBackoff()
	config.Available, config.MaxUnsettled = a.newer.empty, manyUnsettled
	config.Handler = func(ctx context.Context, d pipeline.Delivery) error {
		if d.Deleted {
			return nil
		}
		state, err := job.Decode[job.State](d.Body)
		if err != nil {
			return job.DeadFor(err)
		}
		return n.Receive(ctx, &state)
	}
	return config
}

func (a *notifyStage) timerPool(handle func(context.Context, pipeline.Delivery) error) pool.Config {
	config := a.base
	config.Stage, config.Backoff = StageNotify, retryBackoff()
	config.Available, config.Handler = a.newer.empty, handle
	return config
}

// learn takes in a recipient or the settings. A maintenance window that is new,
// or gone, may hold something back or let it go.
func (a *notifyStage) learn(ctx context.Context, n *notify.Notifier, e pipeline.Entry, live bool) {
	name, isRecipient := topology.CutRecipientKey(e.Key)
	var err error
	switch {
	case isRecipient && e.Deleted:
		n.Directory().Remove(name)
	case isRecipient:
		var recipient job.Recipient
		if recipient, err = job.Decode[job.Recipient](e.Value); err == nil {
			n.Directory().Set(recipient)
		}
	case e.Key == topology.SettingsKey:
		var settings job.Settings
		if !e.Deleted {
			settings, err = job.Decode[job.Settings](e.Value)
		}
		if err == nil {
			n.Directory().SetSettings(settings)
			err = n.Mutes().SetWindows(settings.Maintenance)
			a.lookAgain(ctx, n, live)
		}
	default: // of a newer version; monitors are looked up when they matter
	}
	a.newer.set(ctx, e.Key, errors.Is(err, job.ErrNewer))
	if err != nil {
		a.log.ErrorContext(ctx, "stored definition cannot be read", "key", e.Key, "error", err)
	}
}

// learnSilence takes in a silence. One that is new, or ends earlier than it was
// to, may let something go or hold it back.
func (a *notifyStage) learnSilence(ctx context.Context, n *notify.Notifier, e pipeline.Entry, live bool) {
	if e.Deleted {
		n.Mutes().RemoveSilence(e.Key)
		a.newer.set(ctx, "silence "+e.Key, false)
	} else {
		silence, err := job.Decode[job.Silence](e.Value)
		a.newer.set(ctx, "silence "+e.Key, errors.Is(err, job.ErrNewer))
		if err != nil {
			a.log.ErrorContext(ctx, "stored silence cannot be read", "silence", e.Key, "error", err)
			return
		}
		n.Mutes().SetSilence(silence)
	}
	a.lookAgain(ctx, n, live)
}

// lookAgain has everything looked at that is held back, since what holds it has
// changed; at the start that is done anyway.
func (a *notifyStage) lookAgain(ctx context.Context, n *notify.Notifier, live bool) {
	if !live {
		return
	}
	if err := n.SweepIn(ctx, 0); err != nil {
		a.log.WarnContext(ctx, "look at what is held back; it will be within minutes", "error", err)
	}
}
