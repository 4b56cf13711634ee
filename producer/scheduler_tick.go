package producer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// tick handles one tick for one shard: it publishes checks, records misses and
// moves the cursor, in this order, so that a crash in between repeats slots but
// skips none.
func (s *Scheduler) tick(ctx context.Context, cursors *pipeline.Bucket, d pipeline.Delivery) error {
	shard, err := strconv.Atoi(topology.CutTick(d.Subject))
	if err != nil || shard < 0 || shard >= len(s.handledUntil) {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read tick: found shard %q, expected 0 to %d", d.Subject, len(s.handledUntil)-1))
	}
	s.ticked()
	s.config.Ticked()
	second := d.Stored.UTC().Truncate(time.Second)
	known := s.lastHandled(shard)
	todo := s.table.due(shard, known, second)
	if !known.IsZero() && !second.Before(known) && todo.empty() {
		s.setHandled(shard, second)
		return nil // nothing is due since then, whatever other schedulers have handled
	}
	at, revision, err := readCursor(ctx, cursors, shard)
	if err != nil {
		return err
	}
	if at.isAhead(d, time.Now()) {
		return s.rewind(ctx, cursors, d, shard, at, revision)
	}
	if !second.After(at.Second) {
		s.setHandled(shard, at.Second)
		return nil // a later tick was handled
	}
	if !at.Second.Equal(known) {
		todo = s.table.due(shard, at.Second, second)
	}
	s.setMissReasons(at.Second, second, todo.missed)
	todo.shed(s.load.shares(todo.checks))
	if todo.empty() {
		s.setHandled(shard, second)
		return nil
	}
	if err := s.publishChecks(ctx, shard, second, todo, at.Rewinds); err != nil {
		return err
	}
	if err := s.notifyGap(ctx, at.Second, second, todo.missed); err != nil {
		return err
	}
	if err := moveCursor(ctx, cursors, shard, at.moved(second, d), revision); err != nil {
		return err
	}
	s.setHandled(shard, second)
	return nil
}

func (s *Scheduler) lastHandled(shard int) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handledUntil[shard]
}

func (s *Scheduler) setHandled(shard int, second time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second.After(s.handledUntil[shard]) {
		s.handledUntil[shard] = second
	}
}

// publishChecks publishes the checks and misses for a tick.
func (s *Scheduler) publishChecks(ctx context.Context, shard int, second time.Time, d dueSlots, rewinds int) error {
	messages := make([]pipeline.Message, len(d.checks))
	for i := range d.checks {
		check := &d.checks[i]
		messages[i] = pipeline.Message{
			Subject: topology.CheckSubject(check.profile.location, monitorOf(check.name)), Body: check.encode(),
			ID: check.name + "@" + strconv.FormatInt(check.slot.Unix(), 10) + passOf(rewinds),
		}
	}
	misses := d.missed
	soonest, stored := maxPeriod, false
	for i, err := range s.config.Pipeline.PublishAll(ctx, messages) {
		if err == nil && !d.checks[i].profile.paused {
			soonest, stored = min(soonest, d.checks[i].profile.period), true
		}
		if errors.Is(err, pipeline.ErrOccupied) && !s.workers.exists(ctx, d.checks[i].profile.location) {
			err = fmt.Errorf("%w: %w", errNoWorker, err)
		}
		miss, err := missFor(&d.checks[i], err)
		if err != nil {
			return err // the server is away; the tick is retried
		}
		misses = append(misses, miss...)
	}
	if stored {
		s.config.Enqueued(soonest)
	}
	return s.publishMisses(ctx, shard, second, misses, rewinds)
}
