package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// notifyStage turns transitions into mails. Notification logs, one for each
// address and monitor, record incidents; notification groups, one for each
// address and group, decide when the next mail is sent and what it contains.
// Both are in a bucket, and their times in server timers, so that any process
// can continue where another stopped.
type notifyStage struct {
	*shared

	renderer *notify.Renderer
}

// notifyJobs handles the jobs with a notifier, which knows all recipients,
// settings and silences.
type notifyJobs struct {
	*notifyStage

	notifier *notify.Notifier
	newer    *newerDefinitions
	changes  definitionChanges
}

// supervisor:
//
//	notify             rest_for_one
//	├── recipients     follows recipients, settings, monitors, silences and logs
//	└── children       dynamic
//	    ├── notify        records incidents
//	    ├── notify-flush  mails the groups that are due
//	    └── notify-sweep  repairs what a crash left behind
func (s *notifyStage) supervisor() (supervise.Child, error) {
	return stage[*notifyJobs]{
		name: StageNotify, foundation: "recipients", open: s.open,
		pools: []stagePool[*notifyJobs]{
			{topology.NotifyConsumer(), nil, (*notifyJobs).statePool},
			{topology.FlushConsumer(), nil, func(n *notifyJobs) pool.Config { return n.timerPool(n.flush) }},
			{topology.SweepConsumer(), nil, func(n *notifyJobs) pool.Config { return n.timerPool(n.sweep) }},
		},
	}.supervisor(s.shared)
}

func (s *notifyStage) open(ctx context.Context, ready func(*notifyJobs)) error {
	replies, err := s.p.Replies()
	if err != nil {
		return err
	}
	defer func() { _ = replies.Close() }() // it fails only when the connection is gone, and the subscription with it
	buckets, err := pipeline.Buckets(ctx, s.p, notifyBuckets()...)
	if err != nil {
		return err
	}
	notifier, err := notify.New(notify.Config{
		Store: &notificationStore{bucket: buckets[topology.Notifications]}, Outbox: &alertOutbox{p: s.p}, Deliveries: &deliveryStore{bucket: buckets[topology.Deliveries]},
		Timers: &timers{p: s.p}, Renderer: s.renderer, Lookup: newCheckingLookup(s.shared, buckets, replies), Logger: s.log,
	})
	if err != nil {
		return err
	}
	n := &notifyJobs{notifyStage: s, notifier: notifier, newer: &newerDefinitions{shared: s.shared}}
	return n.follow(ctx, buckets, ready)
}

func notifyBuckets() []topology.Bucket {
	return []topology.Bucket{topology.Notifications, topology.Deliveries, topology.States, topology.Monitors, topology.Silences}
}

// follow keeps recipients, settings, silences and the index of logs up to date
// until ctx ends. It is ready when it has those that exist at the start.
func (n *notifyJobs) follow(ctx context.Context, buckets map[topology.Bucket]*pipeline.Bucket, ready func(*notifyJobs)) error {
	group, ctx := errgroup.WithContext(ctx)
	haveDefinitions, haveSilences, haveLogs, haveMonitors := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	started := make(chan struct{})
	group.Go(func() error {
		live := false
		return buckets[topology.Monitors].WatchMatching(ctx, topology.NonMonitorKeys(),
			func(e pipeline.Entry) { n.setDefinition(ctx, e, live) }, func() { live = true; close(haveDefinitions) })
	})
	group.Go(func() error {
		live := false
		return buckets[topology.Silences].Watch(ctx, func(e pipeline.Entry) { n.setSilence(ctx, e, live) }, func() { live = true; close(haveSilences) })
	})
	group.Go(func() error {
		return buckets[topology.Notifications].Watch(ctx, func(e pipeline.Entry) { n.observe(ctx, e) }, func() { close(haveLogs) })
	})
	group.Go(func() error {
		return buckets[topology.Monitors].WatchChanges(ctx, topology.MonitorKeys, n.setMonitor, func() { close(haveMonitors) })
	})
	group.Go(func() error {
		if !await(ctx, haveDefinitions, haveSilences, haveLogs, haveMonitors) {
			return nil
		}
		if err := n.start(ctx); err != nil {
			return err
		}
		ready(n)
		close(started)
		return nil
	})
	for _, follow := range []func(context.Context){n.followChanges, n.followClock} {
		group.Go(func() error {
			if await(ctx, started) {
				follow(ctx)
			}
			return nil
		})
	}
	return group.Wait()
}

// start has everything looked at soon: definitions may have changed while no
// notifier ran.
func (n *notifyJobs) start(ctx context.Context) error {
	if err := n.notifier.ReconcileIn(ctx, notify.FirstSweep); err != nil {
		return err
	}
	return n.notifier.SweepIn(ctx, notify.FirstSweep)
}

// followClock re-evaluates everything that waits when the clock was set back, since
// timers that were set before fire late.
func (n *notifyJobs) followClock(ctx context.Context) {
	changes, stop := n.p.Clock().Listen()
	defer stop()
	for {
		select {
		case <-ctx.Done():
			return
		case change := <-changes:
			n.sweepSoon(ctx, change.Step < 0)
		}
	}
}

func (n *notifyJobs) statePool() pool.Config {
	receive := handle(func(ctx context.Context, state job.State) error { return n.notifier.Receive(ctx, &state) })
	return pool.Config{Available: n.newer.empty, MaxUnsettled: manyUnsettled, Handler: func(ctx context.Context, d pipeline.Delivery) error {
		if d.Deleted {
			return nil
		}
		return receive(ctx, d)
	}}
}

func (n *notifyJobs) timerPool(handle func(context.Context, pipeline.Delivery) error) pool.Config {
	return pool.Config{Available: n.newer.empty, Handler: handle}
}

func (n *notifyJobs) flush(ctx context.Context, d pipeline.Delivery) error {
	return n.notifier.Flush(ctx, strings.TrimPrefix(d.Subject, topology.TimerSubject(notify.TimerFlush, "")))
}

func (n *notifyJobs) sweep(ctx context.Context, d pipeline.Delivery) error {
	return n.notifier.HandleSweep(ctx, strings.TrimPrefix(d.Subject, topology.TimerSubject(notify.TimerSweep, "")))
}

// setDefinition takes a recipient or the settings. Changed maintenance windows
// may mute notifications or release them.
func (n *notifyJobs) setDefinition(ctx context.Context, e pipeline.Entry, live bool) {
	settings, err := updateDirectory(n.notifier.Directory(), e, job.Decode[job.Recipient], job.Decode[job.Settings])
	if settings != nil {
		err = n.notifier.Mutes().SetWindows(settings.Maintenance)
	}
	if live {
		n.changes.addAll()
	}
	n.newer.set(ctx, e.Key, errors.Is(err, job.ErrNewer))
	if err != nil {
		n.log.ErrorContext(ctx, "stored definition cannot be read", "key", e.Key, "error", err)
	}
}

// setSilence takes a silence. One that is new, or ends early, may mute
// notifications or release them.
func (n *notifyJobs) setSilence(ctx context.Context, e pipeline.Entry, live bool) {
	if e.Deleted {
		n.notifier.Mutes().RemoveSilence(e.Key)
		n.newer.set(ctx, "silence "+e.Key, false)
	} else {
		silence, err := job.Decode[job.Silence](e.Value)
		n.newer.set(ctx, "silence "+e.Key, errors.Is(err, job.ErrNewer))
		if err != nil {
			n.log.ErrorContext(ctx, "stored silence cannot be read", "silence", e.Key, "error", err)
			return
		}
		n.notifier.Mutes().SetSilence(silence)
	}
	n.sweepSoon(ctx, live)
}

// sweepSoon re-evaluates everything that is muted, since the reason has changed.
// At the start there is a sweep anyway.
func (n *notifyJobs) sweepSoon(ctx context.Context, live bool) {
	if !live {
		return
	}
	if err := n.notifier.SweepIn(ctx, 0); err != nil {
		n.log.WarnContext(ctx, "sweep was not scheduled; the next one is due within minutes", "error", err)
	}
}

// newerDefinitions are the recipients, settings and silences that were written by
// a newer version. While there are any, this process takes no notification jobs,
// since it would send too many mails or too few; newer processes take them.
type newerDefinitions struct {
	*shared

	count atomic.Int64
	mu    sync.Mutex
	keys  map[string]bool
}

// empty reports whether this process can read all definitions.
func (d *newerDefinitions) empty() bool { return d.count.Load() == 0 }

// set records whether a key holds a newer version, and notifies the operators
// about the first one.
func (d *newerDefinitions) set(ctx context.Context, key string, newer bool) {
	d.mu.Lock()
	if d.keys == nil {
		d.keys = map[string]bool{}
	}
	if newer {
		d.keys[key] = true
	} else {
		delete(d.keys, key)
	}
	first := newer && d.count.Load() == 0
	d.count.Store(int64(len(d.keys)))
	d.mu.Unlock()
	if !first {
		return
	}
	d.notify(ctx, job.Notice{
		Kind: job.NoticeNewer, ID: job.DeriveID("newer_definitions", d.p.Process(), time.Now().UTC().Truncate(time.Hour).Format(time.RFC3339)),
		Summary: fmt.Sprintf("process %s leaves notifications to newer processes: %s was written by a newer version", d.p.Process(), key),
	})
}
