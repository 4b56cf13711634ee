package pool

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// run is one Serve of a pool. Its loop owns tasks and the puller; handlers
// run beside it and come back through ended.
type run struct {
	*Pool
	attempts *attemptLog
	begun    chan begun // to goroutines that wait for another job
	ended    chan *task
	over     chan struct{} // closed when Serve returns
	tasks    map[*task]struct{}
	held     time.Time     // when the hold on the tasks was last renewed
	yielded  atomic.Int64  // how many of tasks have given their slot back
	room     chan struct{} // holds a token when one did
	settling sync.WaitGroup
	// restoring says that the consumer is being made again.
	restoring atomic.Bool
}

// loop asks for jobs as slots come free, starts them, renews their hold, and
// ends when ctx does.
func (r *run) loop(ctx context.Context) error {
	pull, err := newPuller(r.Pool)
	if err != nil {
		return err
	}
	defer pull.close()
	regained, ignore := r.p.Regained()
	defer ignore()
	beat := time.NewTicker(r.config.AckWait / 3)
	defer beat.Stop()
	// Handlers' contexts have no parent that can end: with hundreds of them they
	// would queue for its lock. The loop knows them all and ends each itself.
	work := context.WithoutCancel(ctx)
	// Jobs are settled even while the pool stops, for a while.
	settle, hurry := context.WithCancel(context.WithoutCancel(ctx))
	defer hurry()
	for {
		// What has come together is taken in together: choosing among all channels
		// costs more than the rest of the loop.
		r.settleEnded(settle)
		r.receiveAll(work, pull)
		if err := pull.ask(r.free()); err != nil {
			r.log.DebugContext(ctx, "ask for jobs", "error", err) // the next beat tries again
		}
		select {
		case <-ctx.Done():
			pull.close()
			return r.drain(settle, hurry)
		case message := <-pull.messages:
			r.receive(work, pull, message)
		case t := <-r.ended:
			r.finish(settle, t)
		case <-regained:
			pull.forget()
		case <-r.changed: // the next turn asks by the new limit
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

// restore makes the consumer again if somebody deleted it, beside the loop: the
// server may take long to answer, while the consumer is there after all.
func (r *run) restore(ctx context.Context, pull *puller) {
	if !pull.gone || !r.restoring.CompareAndSwap(false, true) {
		return
	}
	pull.gone = false
	r.settling.Go(func() {
		defer r.restoring.Store(false)
		limited, cancel := context.WithTimeout(ctx, bindTimeout)
		defer cancel()
		if err := r.bind(limited); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "restore consumer", "error", err) // the next refusal tries again
		}
	})
}

// bindTimeout bounds one try to make the consumer again.
const bindTimeout = 2 * time.Second

// settleEnded takes in everything that has ended by now, so that one request
// asks for all the slots that came free.
func (r *run) settleEnded(ctx context.Context) {
	for {
		select {
		case t := <-r.ended:
			r.finish(ctx, t)
		default:
			return
		}
	}
}

// receiveAll takes in what has arrived by now, as long as there are slots.
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

// receive starts the job in a message, if there is one.
func (r *run) receive(work context.Context, pull *puller, message *nats.Msg) {
	delivered := pull.take(message)
	switch {
	case delivered == nil:
	case r.free() <= 0:
		giveBack(delivered) // asked for twice, around a lost connection, or before the limit was lowered
	default:
		r.start(work, delivered)
	}
}

// drain lets what runs finish within half of the grace, then tells it to stop,
// and leaves behind what does not within the other half. hurry ends the
// settling of jobs that are done, when the server does not answer.
func (r *run) drain(ctx context.Context, hurry context.CancelFunc) error {
	beat := time.NewTicker(r.config.AckWait / 3)
	defer beat.Stop()
	patience := time.NewTimer(r.config.Grace / 2)
	defer patience.Stop()
	told := false
	for len(r.tasks) > 0 {
		select {
		case t := <-r.ended:
			r.finish(ctx, t)
		case now := <-beat.C:
			r.renew(ctx, now)
		case <-patience.C:
			if told {
				return r.abandon(ctx, hurry)
			}
			told = true
			for t := range r.tasks {
				t.interrupt()
			}
			patience.Reset(r.config.Grace / 2)
		}
	}
	r.settled(hurry)
	return nil
}

// settled waits until every job is settled, half of the grace at most: what is
// not by then runs again elsewhere.
func (r *run) settled(hurry context.CancelFunc) {
	late := time.AfterFunc(r.config.Grace/2, hurry)
	defer late.Stop()
	r.settling.Wait()
}

// abandon gives up on handlers that do not return.
func (r *run) abandon(ctx context.Context, hurry context.CancelFunc) error {
	stuck := 0
	for t := range r.tasks {
		if t.take() {
			stuck++
			r.stuck.Add(1)
			r.tellStuck(ctx, t)
		}
		r.left(t)
	}
	r.settled(hurry)
	if stuck == 0 {
		return nil
	}
	return fmt.Errorf("stop pool %s: %w: %d", r.config.Consumer.Name, ErrStuck, stuck)
}
