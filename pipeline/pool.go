package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// Delivery is a job as a handler gets it.
type Delivery struct {
	// Subject is without the installation's prefix.
	Subject string
	Body    []byte
	// Sequence identifies the job within its stream.
	Sequence uint64
	// Stored is when JetStream accepted the job, First when it did so for the
	// first time: earlier, if the job was a dead letter in between.
	Stored, FirstStored time.Time
	// Attempt counts the attempts at this job, from 1. Interruptions do not
	// count: neither a stopped process nor a dead one is the job's fault.
	Attempt int
	// Redelivered says that the job was given out before, whatever became of that.
	Redelivered bool
	// Reply is where an answer is awaited; empty when nobody waits.
	Reply string
	// Header is whatever else came with the job.
	Header map[string][]string
	// Deleted marks the removal of a key, in pools over a bucket's log.
	Deleted bool
}

// Handler does one job. What it returns is the job's fate: nil is done,
// [job.RetryIn] and [job.Interrupted] another attempt at a time of its
// choosing, [job.Dead] a dead letter, [job.ErrNewer] that a newer process should
// do it, any other error another attempt by the pool's curve. It must return soon after ctx ends; one that returns an error
// after the pool began to stop is interrupted, not failed.
type Handler func(ctx context.Context, d Delivery) error

// PoolConfig describes a pool.
type PoolConfig struct {
	// Name is the consumer's, the same in every process that shares the work.
	Name string
	// Stage is what the pool does, for people: check, evaluate, notify, mail.
	// Defaults to Name.
	Stage string
	// Stream is where the jobs are; Filter, without prefix, selects among
	// them. An empty Filter means all.
	Stream Stream
	Filter string
	// Limit is how many jobs run at once in this process, those not counted that
	// have given their slot back: see [Yield]. Defaults to 16.
	Limit int
	// MaxLimit is how far [Pool.SetLimit] may raise it. Defaults to the higher
	// of Limit and 1,024.
	MaxLimit int
	// Timeout is a job's deadline. Defaults to a minute.
	Timeout time.Duration
	// Grace is how long a job may go on after its deadline, or after the pool
	// was told to stop, before it counts as stuck. Defaults to 5s. Stopping
	// takes half as much more at most, to settle what is done.
	Grace time.Duration
	// AckWait is how long after a process died its jobs are given to another.
	// Defaults to 5s; a running job's hold is renewed every third of it.
	AckWait time.Duration
	// MaxUnsettled bounds the jobs of all processes that are running or
	// waiting for another attempt. Defaults to 20,000.
	MaxUnsettled int
	// Backoff is the wait between attempts.
	Backoff Backoff
	// GiveUpAfter is the age at which a failing job becomes a dead letter
	// instead of another attempt. Zero means never.
	GiveUpAfter time.Duration
	// Confirm waits for the server's word that a job is settled. It costs a
	// round trip, and is for jobs that must not run again and leave no trace by
	// which that could be seen.
	Confirm bool
	// Available, when set, tells whether the pool can do jobs at the moment: while it
	// cannot, it takes none, so that they wait in the stream, where another
	// process can take them, and no attempt is lost. It is asked often, and must
	// not wait.
	Available func() bool
	// OnDeadLetter, when set, is called when a job has become a dead letter. An error
	// has the job come again, to be buried again.
	OnDeadLetter func(ctx context.Context, d Delivery, letter DeadLetter) error
	// Handler does the jobs.
	Handler Handler
}

const (
	defaultLimit    = 16
	defaultMaxLimit = 1024
)

func (c PoolConfig) withDefaults() PoolConfig {
	if c.Available == nil {
		c.Available = func() bool { return true }
	}
	if c.Stage == "" {
		c.Stage = c.Name
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	if c.MaxLimit == 0 {
		c.MaxLimit = max(c.Limit, defaultMaxLimit)
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	if c.AckWait == 0 {
		c.AckWait = 5 * time.Second
	}
	if c.MaxUnsettled == 0 {
		c.MaxUnsettled = 20_000
	}
	return c
}

func (c PoolConfig) validate() error {
	var problems []error
	if !job.ValidName(c.Name) || strings.Contains(c.Name, ".") { // the server takes no dots in a consumer's name
		problems = append(problems, fmt.Errorf("name: found %q, expected letters, digits, _ and -", c.Name))
	}
	if c.Handler == nil {
		problems = append(problems, errors.New("handler: found none"))
	}
	if c.Limit < 0 || c.Limit > c.MaxLimit {
		problems = append(problems, fmt.Errorf("limit: found %d, expected 1 to %d", c.Limit, c.MaxLimit))
	}
	if c.AckWait < 0 || c.Timeout < 0 || c.Grace < 0 {
		problems = append(problems, errors.New("times: found a negative one"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check pool %s: %w", c.Name, err)
	}
	return nil
}

// Pool takes jobs from a stream and runs them, never more than its limit at
// once: it asks the server for exactly as many jobs as it has free slots. So a
// job waits in the stream, where any process can take it, and not in memory.
type Pool struct {
	p      *Pipeline
	config PoolConfig
	log    *slog.Logger

	limit   atomic.Int64
	changed chan struct{} // holds a token when limit was changed
	serving atomic.Bool
	running atomic.Int64
	done    atomic.Uint64
	failed  atomic.Uint64
	stuck   atomic.Uint64
	newer   atomic.Int64 // when operators were last told of jobs of a newer version
}

// NewPool makes a pool. It starts with Serve. The error lists every problem of
// the configuration.
func (p *Pipeline) NewPool(config PoolConfig) (*Pool, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	pool := &Pool{p: p, config: config, log: p.log.With("pool", config.Name), changed: make(chan struct{}, 1)}
	pool.limit.Store(int64(config.Limit))
	return pool, nil
}

// SetLimit changes how many jobs run at once, also while the pool serves. What
// runs goes on; a lower limit holds for what comes next. The error says that
// the limit is not between 1 and the configured MaxLimit.
func (l *Pool) SetLimit(limit int) error {
	if limit < 1 || limit > l.config.MaxLimit {
		return fmt.Errorf("set limit of pool %s: found %d, expected 1 to %d", l.config.Name, limit, l.config.MaxLimit)
	}
	l.limit.Store(int64(limit))
	select {
	case l.changed <- struct{}{}:
	default: // the loop has not yet seen the change before, and will see this one with it
	}
	return nil
}

// PoolStatus is what a pool is doing.
type PoolStatus struct {
	Name  string `json:"name"`
	Stage string `json:"stage"`
	// Running is how many jobs run in this process, Limit how many may.
	Running int `json:"running"`
	Limit   int `json:"limit"`
	// Done and Failed count attempts since the process started, Stuck those
	// whose handler ignored the end of its context.
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	Stuck  uint64 `json:"stuck"`
}

// Status tells what the pool is doing.
func (l *Pool) Status() PoolStatus {
	return PoolStatus{
		Name: l.config.Name, Stage: l.config.Stage, Running: int(l.running.Load()), Limit: int(l.limit.Load()),
		Done: l.done.Load(), Failed: l.failed.Load(), Stuck: l.stuck.Load(),
	}
}

// ErrServing is returned by a Serve that is called while another one runs.
var ErrServing = errors.New("already serving")

// Serve runs jobs until ctx ends; then it takes no more, lets those that run
// finish within the grace, gives the rest back and returns nil. A lost
// connection is no error: Serve waits for its return. An error means that the
// consumer could not be made, or that a stuck job was left behind. It is ready,
// as supervisors understand it, when it takes jobs.
func (l *Pool) Serve(ctx context.Context) error {
	if !l.serving.CompareAndSwap(false, true) {
		return fmt.Errorf("serve pool %s: %w", l.config.Name, ErrServing)
	}
	defer l.serving.Store(false)
	attempts, err := l.p.Bucket(ctx, Attempts)
	if err != nil {
		return fmt.Errorf("serve pool %s: %w", l.config.Name, err)
	}
	if err := l.bind(ctx); err != nil {
		return fmt.Errorf("serve pool %s: %w", l.config.Name, err)
	}
	supervise.Ready(ctx)
	run := &poolRun{
		Pool: l, attempts: &attemptLog{bucket: attempts, prefix: string(l.config.Stream) + "." + l.config.Name},
		ended: make(chan *task, min(l.config.MaxLimit, defaultMaxLimit)), over: make(chan struct{}), begun: make(chan begun), tasks: map[*task]struct{}{}, held: time.Now(),
		room: make(chan struct{}, 1),
	}
	defer close(run.over)
	return run.loop(ctx)
}

// bind makes the consumer, or brings it up to date. One that a newer program has
// made is used as it is.
func (l *Pool) bind(ctx context.Context) error {
	if newer, err := l.boundByNewer(ctx); newer || err != nil {
		return err
	}
	filter := ""
	if l.config.Filter != "" {
		filter = l.p.names.Subject(l.config.Filter)
	}
	_, err := l.p.js.CreateOrUpdateConsumer(ctx, l.p.names.Stream(l.config.Stream), jetstream.ConsumerConfig{
		Durable:       l.config.Name,
		FilterSubject: filter,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       l.config.AckWait,
		// The pool settles each job itself. A bound here would leave a job in
		// a work queue that nobody gets and that blocks its subject.
		MaxDeliver:    -1,
		MaxAckPending: l.config.MaxUnsettled,
		Metadata:      madeBy(layout),
	})
	if err != nil {
		return fmt.Errorf("bind consumer %s: %w", l.config.Name, err)
	}
	return nil
}

// poolRun is one Serve of a pool. Its loop owns tasks and the puller; handlers
// run beside it and come back through ended.
type poolRun struct {
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
func (r *poolRun) loop(ctx context.Context) error {
	pull, err := newPuller(r.Pool)
	if err != nil {
		return err
	}
	defer pull.close()
	revived, deaf := r.p.revived.listen()
	defer deaf()
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
		case <-revived:
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
func (r *poolRun) restore(ctx context.Context, pull *puller) {
	if !pull.gone || !r.restoring.CompareAndSwap(false, true) {
		return
	}
	pull.gone = false
	r.settling.Go(func() {
		defer r.restoring.Store(false)
		limited, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		if err := r.bind(limited); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "restore consumer", "error", err) // the next refusal tries again
		}
	})
}

// settleEnded takes in everything that has ended by now, so that one request
// asks for all the slots that came free.
func (r *poolRun) settleEnded(ctx context.Context) {
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
func (r *poolRun) receiveAll(work context.Context, pull *puller) {
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
func (r *poolRun) receive(work context.Context, pull *puller, message *nats.Msg) {
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
func (r *poolRun) drain(ctx context.Context, hurry context.CancelFunc) error {
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
func (r *poolRun) settled(hurry context.CancelFunc) {
	late := time.AfterFunc(r.config.Grace/2, hurry)
	defer late.Stop()
	r.settling.Wait()
}

// abandon gives up on handlers that do not return.
func (r *poolRun) abandon(ctx context.Context, hurry context.CancelFunc) error {
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
	return fmt.Errorf("stop pool %s: %w: %d", r.config.Name, ErrStuck, stuck)
}

// ErrStuck is returned by [Pool.Serve] when jobs ignored the end of their
// context; they run elsewhere once their hold has passed.
var ErrStuck = errors.New("jobs are stuck")
