package producer

import (
	"context"
	"time"

	"vedette/pipeline/clock"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

const (
	// tickSilence is how long no tick may be stored before the clocks are set again.
	// While a cluster elects a leader, a few are missing.
	tickSilence = 4 * time.Second
	// tickPeriod is how often the watch looks.
	tickPeriod = time.Second
	// restartTimeout bounds one try to set the clocks again.
	restartTimeout = 5 * time.Second
)

// tickWatch knows how long the server has stored no tick. It measures with the
// monotonic clock, and counts messages instead of comparing their times.
type tickWatch struct {
	stored uint64 // the last sequence of the stream
	since  time.Time
}

// silent takes what was seen, and reports whether the clocks must be set again.
// They are given the same time again after that.
func (w *tickWatch) silent(stored uint64, now time.Time) bool {
	if stored != w.stored || w.since.IsZero() {
		w.stored, w.since = stored, now
		return false
	}
	if now.Sub(w.since) < tickSilence {
		return false
	}
	w.since = now
	return true
}

// ticked remembers that a tick arrived in this process.
func (s *Scheduler) ticked() { s.lastTick.Store(int64(time.Since(s.started))) }

// quiet reports whether no tick has arrived in this process for a while. Other
// processes may have taken them.
func (s *Scheduler) quiet() bool {
	return time.Since(s.started)-time.Duration(s.lastTick.Load()) > tickSilence/2
}

// watchTicks sets the server's clocks again when they stand still: at once if this
// process sees that its clock was set back, otherwise when the server has stored no
// tick for a while.
func (s *Scheduler) watchTicks(ctx context.Context) error {
	changes, stop := s.config.Pipeline.Clock().Listen()
	defer stop()
	ticker := time.NewTicker(tickPeriod)
	defer ticker.Stop()
	var watch tickWatch
	for {
		select {
		case <-ctx.Done():
			return nil
		case change := <-changes:
			if change.Step < 0 {
				s.restartClocks(ctx, change)
			}
		case now := <-ticker.C:
			if !s.quiet() || !s.config.Pipeline.Connected() {
				watch = tickWatch{}
				continue
			}
			if s.silent(ctx, &watch, now) {
				s.restartClocks(ctx, clock.Change{})
			}
		}
	}
}

// silent reports whether the clocks stand still.
func (s *Scheduler) silent(ctx context.Context, watch *tickWatch, now time.Time) bool {
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stored, err := inspect.LastSequence(limited, s.config.Pipeline, topology.Tick)
	if err != nil {
		s.config.Logger.DebugContext(ctx, "ticks could not be counted; trying again", "error", err)
		*watch = tickWatch{}
		return false
	}
	return watch.silent(stored, now)
}

func (s *Scheduler) restartClocks(ctx context.Context, why clock.Change) {
	limited, cancel := context.WithTimeout(ctx, restartTimeout)
	defer cancel()
	if err := s.config.Pipeline.RestartClocks(limited); err != nil {
		s.config.Logger.WarnContext(ctx, "clocks of the server were not set again; trying again", "error", err)
		return
	}
	s.config.Logger.WarnContext(ctx, "clocks of the server were set again: they stood still", "step", why.Step)
}
