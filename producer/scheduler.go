package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// SchedulerConfig says what a scheduler works on.
type SchedulerConfig struct {
	Pipeline *pipeline.Pipeline
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Scheduler publishes the checks that are due. JetStream is its clock: one
// tick a second and shard, taken by any one scheduler. A cursor for each shard
// says up to which second its slots were handled, so a tick that comes late,
// or twice, or not at all, neither doubles a slot nor loses one: what is too
// late to check is recorded as missed.
type Scheduler struct {
	config SchedulerConfig
	table  *table
	staff  *staff
	load   *load

	mu   sync.Mutex
	pool *pool.Pool  // that serves, or served last
	seen []time.Time // by shard, the second that this process knows to be handled
}

// NewScheduler makes a scheduler. It starts with Serve.
func NewScheduler(config SchedulerConfig) (*Scheduler, error) {
	if config.Pipeline == nil {
		return nil, errors.New("make scheduler: found no pipeline")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	shards := config.Pipeline.Shards()
	staff, table := newStaff(config.Pipeline, config.Logger), newTable(shards)
	return &Scheduler{
		config: config, table: table, seen: make([]time.Time, shards),
		staff: staff, load: newLoad(config.Pipeline, config.Logger, staff, table.demand),
	}, nil
}

// stopGrace is short, because a tick that is given back costs nothing.
const stopGrace = 2 * time.Second

// tickCurve is short: a tick that failed matters less each second, and the
// next one covers its slots.
func tickCurve() pool.Backoff {
	return pool.Backoff{Initial: 100 * time.Millisecond, Max: time.Second, Jitter: 0.5}
}

// Serve watches the definitions and handles ticks until ctx ends. An error
// means that a watch or the consumer could not be had; serving again is safe.
func (s *Scheduler) Serve(ctx context.Context) error {
	monitors, err := s.config.Pipeline.Bucket(ctx, topology.Monitors)
	if err != nil {
		return fmt.Errorf("serve scheduler: %w", err)
	}
	cursors, err := s.config.Pipeline.Bucket(ctx, topology.Cursors)
	if err != nil {
		return fmt.Errorf("serve scheduler: %w", err)
	}
	workers, err := pool.New(s.config.Pipeline, pool.Config{
		Consumer: topology.SchedulerConsumer(), Limit: s.config.Pipeline.Shards(),
		Timeout: 20 * time.Second, Grace: stopGrace, Backoff: tickCurve(),
		Handler: func(ctx context.Context, d pipeline.Delivery) error { return s.tick(ctx, cursors, d) },
	})
	if err != nil {
		return fmt.Errorf("serve scheduler: %w", err)
	}
	s.setPool(workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.load.serve(ctx) })
	loaded := make(chan struct{})
	group.Go(func() error {
		return monitors.Watch(ctx, s.learn, func() { close(loaded) })
	})
	group.Go(func() error {
		select {
		case <-loaded: // before, every slot would look like nobody's
			return workers.Serve(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	return group.Wait()
}

func (s *Scheduler) setPool(workers *pool.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pool = workers
}

// Pools tells what the pool of ticks does; empty before the first start.
func (s *Scheduler) Pools() []pool.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		return nil
	}
	return []pool.Status{s.pool.Status()}
}

// learn takes in a definition, its change or its removal.
func (s *Scheduler) learn(e pipeline.Entry) {
	name, ok := topology.CutMonitorKey(e.Key)
	if !ok {
		return // a recipient
	}
	if e.Deleted {
		s.table.remove(name)
		return
	}
	monitor, err := job.Decode[job.Monitor](e.Value)
	if err == nil {
		monitor.Name = name // under which it can be found again
		var made []definition
		if made, err = newDefinitions(&monitor, e.Written); err == nil {
			s.table.set(name, made)
			return
		}
	}
	if errors.Is(err, job.ErrNewer) && s.learnNewer(name, e) {
		return
	}
	// Whoever wrote this did not go through Apply. What stood before is no
	// longer what they want, so the monitor is not checked, and we say so.
	s.table.remove(name)
	s.config.Logger.Error("definition cannot be used; the monitor is not checked", "monitor", name, "error", err)
}

// cursor is up to which second the slots of a shard were handled.
type cursor struct {
	V      int       `json:"v"`
	Second time.Time `json:"second"`
}

// tick handles one tick of one shard: publish, record the misses, move the
// cursor, in this order, so that a crash in between repeats and never skips.
func (s *Scheduler) tick(ctx context.Context, cursors *pipeline.Bucket, d pipeline.Delivery) error {
	shard, err := strconv.Atoi(topology.CutTick(d.Subject))
	if err != nil || shard < 0 || shard >= len(s.seen) {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read tick: found shard %q, expected 0 to %d", d.Subject, len(s.seen)-1))
	}
	second := d.Stored.UTC().Truncate(time.Second)
	known := s.handled(shard)
	todo := s.table.due(shard, known, second)
	if !known.IsZero() && todo.empty() {
		s.note(shard, second)
		return nil // whatever others did, nothing is due since the last second that we know of
	}
	at, revision, err := readCursor(ctx, cursors, shard)
	if err != nil {
		return err
	}
	if !second.After(at) {
		s.note(shard, at)
		return nil // a later tick has covered this one
	}
	if !at.Equal(known) {
		todo = s.table.due(shard, at, second)
	}
	s.blame(at, todo.missed)
	todo.shed(s.load.shares(todo.checks))
	if todo.empty() {
		s.note(shard, second)
		return nil
	}
	if err := s.publish(ctx, shard, second, todo); err != nil {
		return err
	}
	if err := s.tellGap(ctx, at, second, todo.missed); err != nil {
		return err
	}
	if err := moveCursor(ctx, cursors, shard, second, revision); err != nil {
		return err
	}
	s.note(shard, second)
	return nil
}

func (s *Scheduler) handled(shard int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[shard]
}

func (s *Scheduler) note(shard int, second time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second.After(s.seen[shard]) {
		s.seen[shard] = second
	}
}

// publish stores the checks and the misses of a tick.
func (s *Scheduler) publish(ctx context.Context, shard int, second time.Time, d due) error {
	messages := make([]pipeline.Message, len(d.checks))
	for i := range d.checks {
		check := &d.checks[i]
		messages[i] = pipeline.Message{
			Subject: topology.CheckSubject(check.terms.location, monitorOf(check.name)), Body: check.encode(),
			ID: check.name + "@" + strconv.FormatInt(check.slot.Unix(), 10),
		}
	}
	misses := d.missed
	for i, err := range s.config.Pipeline.PublishAll(ctx, messages) {
		if errors.Is(err, pipeline.ErrOccupied) && !s.staff.serves(ctx, d.checks[i].terms.location) {
			err = fmt.Errorf("%w: %w", errNoWorker, err)
		}
		miss, err := refusal(&d.checks[i], err)
		if err != nil {
			return err // the server is away; the tick comes again
		}
		misses = append(misses, miss...)
	}
	return s.record(ctx, shard, second, misses)
}

// refusal turns what the server said of a check into the miss that it means:
// none when it was stored. Any other error is returned.
func refusal(check *dueCheck, err error) ([]job.Result, error) {
	reason := job.MissRefused
	detail := ""
	switch {
	case err == nil:
		return nil, nil
	case errors.Is(err, errNoWorker):
		reason = job.MissNoWorker
	case errors.Is(err, pipeline.ErrOccupied):
		reason = job.MissOverlap
	case errors.Is(err, pipeline.ErrFull), errors.Is(err, pipeline.ErrTooLarge):
		detail = err.Error()
	default:
		return nil, err
	}
	return []job.Result{miss(monitorOf(check.name), check.terms.location, check.slot, job.Miss{Reason: reason, Count: 1, Last: check.slot, Detail: detail})}, nil
}

// errNoWorker is the refusal of a check where nobody lives who could make it.
var errNoWorker = errors.New("no worker lives")

// blame names the reason of slots for which no tick came: the server was away
// since the cursor, or else there was no scheduler. What is paused stays so.
func (s *Scheduler) blame(cursor time.Time, misses []job.Result) {
	if lost := s.config.Pipeline.Lost(); lost.IsZero() || lost.Before(cursor) {
		return
	}
	for i := range misses {
		if misses[i].Miss.Reason == job.MissLate {
			misses[i].Miss.Reason = job.MissBrokerDown
		}
	}
}

// gapSlots is how many slots of a monitor are missed at once in a gap that
// operators are told of.
const gapSlots = 3

// tellGap tells the operators that nothing was scheduled for a while. All shards
// have the same gap, and tell of it by the same id.
func (s *Scheduler) tellGap(ctx context.Context, cursor, second time.Time, misses []job.Result) error {
	for i := range misses {
		miss := misses[i].Miss
		if miss.Count < gapSlots || miss.Reason != job.MissLate && miss.Reason != job.MissBrokerDown {
			continue
		}
		why := "no process scheduled anything"
		if miss.Reason == job.MissBrokerDown {
			why = "the NATS server was away"
		}
		return s.config.Pipeline.Notify(ctx, job.Notice{
			ID: job.DeriveID("gap", second.Truncate(time.Minute).Format(time.RFC3339)), Kind: job.NoticeScheduleGap,
			Summary: fmt.Sprintf("nothing was checked from %s to %s: %s", cursor.Format(time.DateTime), second.Format("15:04:05 UTC"), why),
		})
	}
	return nil
}

// maxBatch is how many results travel in one message.
const maxBatch = 100

func (s *Scheduler) record(ctx context.Context, shard int, second time.Time, misses []job.Result) error {
	for part := 0; len(misses) > 0; part++ {
		batch := misses[:min(maxBatch, len(misses))]
		misses = misses[len(batch):]
		body, err := job.Encode(job.Results{V: job.Version, Results: batch})
		if err != nil {
			return err
		}
		err = s.config.Pipeline.Publish(ctx, pipeline.Message{
			Subject: topology.ResultSubject(shard), Body: body, ID: fmt.Sprintf("miss-%d-%d-%d", shard, second.Unix(), part),
		})
		if err != nil {
			return fmt.Errorf("record misses: %w", err)
		}
	}
	return nil
}

func readCursor(ctx context.Context, cursors *pipeline.Bucket, shard int) (time.Time, uint64, error) {
	found, err := cursors.Get(ctx, strconv.Itoa(shard))
	if errors.Is(err, pipeline.ErrNotFound) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("read cursor of shard %d: %w", shard, err)
	}
	at, err := job.Decode[cursor](found.Value)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("read cursor of shard %d: %w", shard, err)
	}
	return at.Second, found.Revision, nil
}

// moveCursor moves a cursor on. When another scheduler was faster the tick is
// tried again, and finds what is left for it.
func moveCursor(ctx context.Context, cursors *pipeline.Bucket, shard int, second time.Time, revision uint64) error {
	body, err := job.Encode(cursor{V: job.Version, Second: second})
	if err != nil {
		return err
	}
	if _, err := cursors.CompareAndSwap(ctx, strconv.Itoa(shard), body, revision); err != nil {
		return fmt.Errorf("move cursor of shard %d: %w", shard, err)
	}
	return nil
}
