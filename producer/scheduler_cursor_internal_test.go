package producer

import (
	"testing"
	"time"

	"vedette/pipeline"
)

func TestACursorAheadOfALaterTickShowsThatTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := cursor{Second: noon.Add(time.Hour), Tick: 100}
	for name, c := range map[string]struct {
		at    cursor
		tick  pipeline.Delivery
		clock time.Time
		want  bool
	}{
		"a later tick":                            {at, pipeline.Delivery{Stored: noon, Sequence: 101}, noon, true},
		"an earlier tick that was delayed":        {at, pipeline.Delivery{Stored: noon, Sequence: 99}, noon.Add(time.Hour), false},
		"a tick that is delivered again":          {at, pipeline.Delivery{Stored: noon, Sequence: 101, Redelivered: true}, noon, false},
		"a tick of another node":                  {cursor{Second: noon.Add(4 * time.Second), Tick: 100}, pipeline.Delivery{Stored: noon, Sequence: 101}, noon, false},
		"a new stream, and a clock that is back":  {at, pipeline.Delivery{Stored: noon, Sequence: 3}, noon, true},
		"a cursor without a sequence":             {cursor{Second: at.Second}, pipeline.Delivery{Stored: noon, Sequence: 3}, noon, true},
		"a cursor without a sequence, right time": {cursor{Second: at.Second}, pipeline.Delivery{Stored: noon, Sequence: 3}, at.Second, false},
	} {
		if got := c.at.isAhead(c.tick, c.clock); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestClocksAreSetAgainAfterASilence(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var w tickWatch
	for _, c := range []struct {
		stored uint64
		after  time.Duration
		want   bool
	}{
		{7, 0, false},
		{7, tickSilence - time.Second, false},
		{8, tickSilence, false}, // another process takes the ticks
		{8, 2*tickSilence - time.Second, false},
		{8, 2 * tickSilence, true},
		{8, 2*tickSilence + time.Second, false}, // they are given time
		{8, 3 * tickSilence, true},
	} {
		if got := w.silent(c.stored, noon.Add(c.after)); got != c.want {
			t.Errorf("%d after %s: got %v, want %v", c.stored, c.after, got, c.want)
		}
	}
}

// A definition that was written before the clock was set back has slots at once.
func TestAnEntryFromTheFutureHasSlots(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := entry{since: uint32(noon.Add(time.Hour).Unix())}
	if got := e.after(noon.Add(-time.Second), noon); !got.Equal(noon.Add(-time.Second)) {
		t.Errorf("got slots after %s, want them after the cursor", got)
	}
	e.since = uint32(noon.Unix())
	if got := e.after(noon.Add(-time.Second), noon); !got.Equal(noon) {
		t.Errorf("got slots after %s, want them after the definition was written", got)
	}
}
