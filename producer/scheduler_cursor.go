package producer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

// cursor is the last second whose slots in a shard were handled.
type cursor struct {
	V      int       `json:"v"`
	Second time.Time `json:"second"`
	// Tick is the sequence of the tick that moved the cursor.
	Tick uint64 `json:"tick,omitempty"`
	// Rewinds counts how often the cursor was set back with the clock.
	Rewinds int `json:"rewinds,omitempty"`
}

// maxAhead is how far a cursor may be ahead of a tick that was stored later: nodes
// of a cluster take turns to give the time. After a smaller step back, checks wait
// until the clock shows the cursor's time again.
const maxAhead = 5 * time.Second

// isAhead reports whether the clock was set back since the cursor was moved. A
// tick that was delayed, or is delivered again, is earlier than the cursor too, but
// was also stored before the tick that moved it. If the stream was created again,
// the sequences say nothing, and this process's own clock decides.
func (c cursor) isAhead(d pipeline.Delivery, now time.Time) bool {
	if d.Redelivered || c.Second.Sub(d.Stored) < maxAhead {
		return false
	}
	return c.Tick > 0 && d.Sequence > c.Tick || c.Second.Sub(now) >= maxAhead
}

// moved returns the cursor after a tick.
func (c cursor) moved(second time.Time, d pipeline.Delivery) cursor {
	return cursor{V: job.Version, Second: second, Tick: d.Sequence, Rewinds: c.Rewinds}
}

// passOf distinguishes the ids of messages for slots that come again, after the
// clock was set back, from those of the first time, which the server still knows.
func passOf(rewinds int) string {
	if rewinds == 0 {
		return ""
	}
	return "/" + strconv.Itoa(rewinds)
}

// rewind sets a cursor back with the clock. The slots until the cursor's old time
// come again and are checked again: otherwise no monitor would be checked for as
// long as the step.
func (s *Scheduler) rewind(ctx context.Context, cursors *pipeline.Bucket, d pipeline.Delivery, shard int, at cursor, revision uint64) error {
	second := d.Stored.UTC().Truncate(time.Second)
	back := at.moved(second, d)
	back.Rewinds++
	if err := moveCursor(ctx, cursors, shard, back, revision); err != nil {
		return err
	}
	s.config.Logger.WarnContext(ctx, "slots are scheduled again: the clock was set back", "shard", shard, "from", at.Second, "to", second)
	s.config.Pipeline.Clock().Found(at.Second.Sub(second))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handledUntil[shard] = second
	return nil
}

func readCursor(ctx context.Context, cursors *pipeline.Bucket, shard int) (cursor, uint64, error) {
	at, revision, err := pipeline.Read(ctx, cursors, strconv.Itoa(shard), job.Decode[cursor])
	if err != nil {
		return cursor{}, 0, fmt.Errorf("read cursor of shard %d: %w", shard, err)
	}
	return at, revision, nil
}

// moveCursor moves a cursor. If another scheduler was faster, the tick is retried
// and finds fewer slots, or none.
func moveCursor(ctx context.Context, cursors *pipeline.Bucket, shard int, to cursor, revision uint64) error {
	if _, err := pipeline.Swap(ctx, cursors, strconv.Itoa(shard), to, revision); err != nil {
		return fmt.Errorf("move cursor of shard %d: %w", shard, err)
	}
	return nil
}
