package workers

import (
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/check"
)

// The process that takes pings may be starting, so an absence must last before a
// silence says nothing.
func TestAbsenceThatLastsMeansThatNoProcessTakesPings(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	h := NewHeartbeats(nil)
	for _, s := range []struct {
		at, from  int // from is when the last absence began, 0 for none
		listening bool
		want      bool
	}{
		{at: 1, listening: true},
		{at: 100, listening: true},
		{at: 110, from: 101}, // first seen here
		{at: 140, from: 101},
		{at: 141, from: 101, want: true},
		{at: 142, from: 101, listening: true}, // a process listens again
		{at: 500, from: 101, listening: true},
		{at: 600, from: 590},
		{at: 630, from: 590},
		{at: 631, from: 590, want: true},
		{at: 640, from: 635}, // another one, after some marks
	} {
		b := check.LastPings{Listening: s.listening}
		if s.from > 0 {
			b.Absences = []job.Absence{{From: at(s.from), To: at(s.at)}}
		}
		if got := h.noListener(b, at(s.at)); got != s.want {
			t.Errorf("at %d s: got %v, want %v", s.at, got, s.want)
		}
	}
}
