package bench

import (
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

func TestSpreadQuantilesAreAccurateToThreePercent(t *testing.T) {
	t.Parallel()
	for _, unit := range []time.Duration{time.Microsecond, time.Millisecond, time.Second} {
		var s spread
		for i := range 1000 {
			s.add(time.Duration(i+1) * unit)
		}
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := time.Duration(q*1000) * unit
			if got := s.quantile(q); got < want || float64(got-want) > 0.033*float64(want) {
				t.Errorf("quantile %.2f of 1000 in %s: got %s, want %s or a little more", q, unit, got, want)
			}
		}
	}
	var none spread
	if got := none.quantile(0.99); got != 0 {
		t.Errorf("got %s of none, want 0", got)
	}
}

func TestTallyCountsEachSlotAsDoneTwiceMissedOrOpen(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := newTally(2, load{interval: time.Minute, length: 2 * time.Minute})
	c.begin(from)
	slot := func(i, n int) time.Time {
		grid, err := schedule.Every(time.Minute, monitorName(i))
		if err != nil {
			t.Fatal(err)
		}
		return grid.Next(from.Add(time.Duration(n)*time.Minute - time.Second))
	}
	result := func(i int, slot time.Time) job.Result {
		return job.Result{Monitor: monitorName(i), Slot: slot, ProbeResult: &job.ProbeResult{Health: job.Up, Started: slot.Add(time.Second)}}
	}
	c.add([]job.Result{
		result(0, slot(0, -1)), result(0, slot(0, 0)), result(0, slot(0, 0)), result(1, slot(1, 0).Add(time.Second)),
		{Monitor: monitorName(0), Slot: slot(0, 1), Miss: &job.Miss{Reason: job.MissOverlap, Count: 1}},
	})
	if c.due() != 4 || c.total.done != 2 || c.twice != 1 || c.offGrid != 1 || c.total.missed[job.MissOverlap] != 1 || c.open() != 1 || c.arrived != 4 {
		t.Errorf("got %d due, %d done, %d twice, %d off the grid, %v missed, %d open, %d arrived, want 4, 2, 1, 1, 1 overlap, 1, 4",
			c.due(), c.total.done, c.twice, c.offGrid, c.total.missed, c.open(), c.arrived)
	}
	select {
	case <-c.all:
	default:
		t.Error("got not all checked, want both")
	}
}
