package pool

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"vedette/pipeline"
)

// run is one Serve of a pool. Its loop owns tasks and the puller; handlers run in
// other goroutines, and finished tasks come back through ended.
type run struct {
	*Pool

	attempts  *attemptLog
	begun     chan begun // to idle goroutines
	ended     chan *task
	over      chan struct{} // closed when Serve returns
	tasks     map[*task]struct{}
	earlier   uint64        // jobs up to this sequence may have had attempts before this run
	held      time.Time     // when the hold on the tasks was last renewed
	yielded   atomic.Int64  // the number of tasks without a slot
	room      chan struct{} // holds a token after a task gave its slot back
	settling  sync.WaitGroup
	restoring atomic.Bool // the consumer is being created again
}

func newRun(l *Pool, attempts *pipeline.Bucket) *run {
	return &run{
		Pool:     l,
		attempts: &attemptLog{bucket: attempts, prefix: string(l.config.Consumer.Stream) + "." + l.config.Consumer.Name},
		begun:    make(chan begun), ended: make(chan *task, min(l.config.MaxLimit, defaultMaxLimit)), over: make(chan struct{}),
		tasks: map[*task]struct{}{}, held: time.Now(), room: make(chan struct{}, 1),
	}
}

// loop asks for jobs as slots become free, starts them, renews their hold, and
// ends when ctx does.
func (r *run) loop(ctx context.Context) error {
	pull, err := newPuller(r.Pool)
	if err != nil {
		return err
	}
	defer pull.unsubscribe()
	regained, ignore := r.p.Regained()
	defer ignore()
	changes, ignoreClock := r.p.Clock().Listen()
	defer ignoreClock()
	beat := time.NewTicker(r.config.AckWait / 3)
	defer beat.Stop()
	// The contexts of handlers have no parent that can end: hundreds of them would
	// queue for its lock. The loop ends each one instead.
	work := context.WithoutCancel(ctx)
	// Jobs are still settled while the pool stops, for a limited time.
	settle, hurry := context.WithCancel(context.WithoutCancel(ctx))
	defer hurry()
	for {
		// Events that came together are handled together: the selection among all
		// channels costs more than all the rest.
		r.finishEnded(settle)
		r.receiveAll(work, pull)
		if err := pull.ask(r.free()); err != nil {
			r.log.DebugContext(ctx, "request for jobs failed; retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			pull.unsubscribe()
			return r.drain(settle, hurry)
		case message := <-pull.messages:
			r.receive(work, pull, message)
		case t := <-r.ended:
			r.finish(settle, t)
		case <-regained:
			pull.forget()
		case change := <-changes:
			r.followStep(settle, change)
		case <-r.changed: // the next turn asks with the new limit
		case <-pull.again.C:
			pull.resume()
		case <-r.room: // the next turn asks for the slot
		case now := <-beat.C:
			r.restore(ctx, pull)
			pull.check(now)
			r.renew(settle, now)
		}
	}
}

// finishEnded handles all tasks that have ended, so that one request asks for all
// their slots.
func (r *run) finishEnded(ctx context.Context) {
	for {
		select {
		case t := <-r.ended:
			r.finish(ctx, t)
		default:
			return
		}
	}
}

// receiveAll handles all messages that have arrived, while there are slots.
func (r *run) receiveAll(work context.Context, pull *puller) {
	for r.free() > 0 {
		select {
		case message := <-pull.messages:
			r.receive(work, pull, message)
		default:
			return
		}
	}
}

// receive starts the job in a message, if it has one.
func (r *run) receive(work context.Context, pull *puller, message *nats.Msg) {
	delivered := pull.take(message)
	switch {
	case delivered == nil:
	case r.free() <= 0:
		giveBack(delivered) // requested twice, around a lost connection, or before the limit was lowered
	case r.runs(delivered):
		// A hold expired too early, as after the clock was set forward; it is renewed.
	default:
		r.start(work, delivered)
	}
}

// runs reports whether a job runs here and was not given up.
func (r *run) runs(message *nats.Msg) bool {
	meta, err := message.Metadata()
	if err != nil || meta.NumDelivered < 2 {
		return false // as for most jobs
	}
	for t := range r.tasks {
		if t.delivery.Sequence == meta.Sequence.Stream && !t.fenced.Load() {
			return message.InProgress() == nil
		}
	}
	return false
}

// finish handles a task that ended, and settles its job in a goroutine.
func (r *run) finish(ctx context.Context, t *task) {
	if _, mine := r.tasks[t]; !mine {
		r.log.WarnContext(ctx, "stuck job returned", "subject", t.delivery.Subject, "after", time.Since(t.began))
		return // its slot was freed when it was found stuck
	}
	r.remove(t)
	if !t.fence() {
		return
	}
	r.settling.Go(func() { r.settle(ctx, t) })
}
