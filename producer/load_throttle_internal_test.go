package producer

import (
	"log/slog"
	"testing"
	"time"

	"vedette/pipeline/job"
)

// plant simulates a check queue: at the start of each second it is filled with the
// throttle's share, and workers empty it.
type plant struct {
	t                  throttle
	now                time.Time
	waiting, delivered float64
	longest            time.Duration // wait of a second's last check
	enqueued           float64
}

// second simulates a second with a number of due checks and a number that the
// workers make, and samples the queue at its shortest.
func (p *plant) second(due, capacity float64) {
	keep := p.t.keep
	if keep == 0 {
		keep = 1
	}
	p.waiting, p.enqueued = p.waiting+due*keep, p.enqueued+due*keep
	if capacity > 0 {
		p.longest = max(p.longest, time.Duration(p.waiting/capacity*float64(time.Second)))
	}
	done := min(p.waiting, capacity)
	p.waiting, p.delivered, p.now = p.waiting-done, p.delivered+done, p.now.Add(time.Second)
	p.t = p.t.next(queueSample{at: p.now, delivered: uint64(p.delivered), waiting: uint64(p.waiting), demand: due, hasWorkers: true})
}

func (p *plant) seconds(n int, due, capacity float64) {
	p.longest, p.enqueued = 0, 0
	for range n {
		p.second(due, capacity)
	}
}

func newPlant() *plant { return &plant{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func TestThrottleKeepsQueueShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ due, capacity float64 }{{160, 80}, {12_000, 5_000}, {100, 80}, {800, 80}, {85, 80}} {
		p := newPlant()
		p.seconds(120, c.due, c.capacity) // to settle
		p.seconds(60, c.due, c.capacity)
		if good := p.enqueued / 60 / c.capacity; good < 0.97 || good > 1.03 {
			t.Errorf("%.0f due, %.0f made: got %.2f of the workers' capacity enqueued, want all", c.due, c.capacity, good)
		}
		if p.longest > 3*time.Second {
			t.Errorf("%.0f due, %.0f made: got a wait of %s, want less than 3s", c.due, c.capacity, p.longest)
		}
	}
}

func TestThrottleShedsNothingBelowCapacity(t *testing.T) {
	t.Parallel()
	p := newPlant()
	for range 120 {
		p.second(78, 80)
		if p.t.keep != 1 {
			t.Fatalf("got a share of %.2f, want all", p.t.keep)
		}
	}
	// A backlog from a pause is worked off.
	p.waiting += 300
	for range 30 {
		p.second(10, 80)
		if p.t.keep != 1 {
			t.Fatalf("got a share of %.2f after a burst of four seconds, want all", p.t.keep)
		}
	}
}

func TestThrottleRecovers(t *testing.T) {
	t.Parallel()
	p := newPlant()
	p.seconds(60, 160, 80)
	p.seconds(20, 160, 200)
	if p.t.keep != 1 {
		t.Errorf("got a share of %.2f with more workers, want all", p.t.keep)
	}
	p.seconds(20, 160, 0) // the workers hang
	if p.t.keep > 0.05 {
		t.Errorf("got a share of %.2f with workers that make nothing, want hardly any", p.t.keep)
	}
	p.seconds(60, 160, 200)
	if p.t.keep != 1 {
		t.Errorf("got a share of %.2f after they hung, want all", p.t.keep)
	}
}

func TestThrottleNeedsWorkers(t *testing.T) {
	t.Parallel()
	p := newPlant()
	p.seconds(60, 160, 80)
	gone := p.t.next(queueSample{at: p.now.Add(time.Second), delivered: uint64(p.delivered), waiting: 500})
	if p.t.keep == 1 || gone.keep != 1 {
		t.Errorf("got shares of %.2f with workers and %.2f without, want less than all and all: those misses are no_worker", p.t.keep, gone.keep)
	}
	if fresh := p.t.next(queueSample{at: p.now.Add(time.Second), delivered: 1, waiting: 500, hasWorkers: true}); fresh.keep != 1 {
		t.Errorf("got a share of %.2f for a new consumer, want all", fresh.keep)
	}
}

func TestKeptSlotsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	const interval, rounds = 10 * time.Second, 400
	start := time.Date(2026, 3, 1, 12, 0, 3, 0, time.UTC)
	for _, c := range []struct {
		share  float64
		inARow int // at most
	}{{0.9, 1}, {0.62, 1}, {0.5, 2}, {0.4, 2}, {0.25, 4}, {0.1, 12}} {
		sum := 0
		for i := range 50 {
			name := "m" + string(rune('a'+i))
			keeps, row, longest := 0, 0, 0
			for round := range rounds {
				if keepsSlot(c.share, name, start.Add(time.Duration(round)*interval), interval) {
					keeps, row = keeps+1, 0
				} else {
					row++
				}
				longest = max(longest, row)
			}
			sum += keeps
			if want := c.share * rounds; float64(keeps) < want-4 || float64(keeps) > want+4 || longest > c.inARow {
				t.Errorf("share %.2f, %s: got %d of %d slots and %d left out in a row, want %.0f and at most %d", c.share, name, keeps, rounds, longest, want, c.inARow)
			}
		}
		if share := float64(sum) / rounds / 50; share < c.share-0.01 || share > c.share+0.01 {
			t.Errorf("got %.3f of all slots, want %.2f", share, c.share)
		}
	}
}

func TestShedSlotIsMissWithReason(t *testing.T) {
	t.Parallel()
	slot := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	busy := &profile{location: "fra", interval: 10 * time.Second}
	cron := &profile{location: "fra"}
	calm := &profile{location: "ber", interval: 10 * time.Second}
	d := dueSlots{missed: []job.Result{{Monitor: "late"}}}
	for _, own := range []*profile{busy, cron, calm} {
		for i := range 100 {
			d.checks = append(d.checks, dueCheck{name: "m" + string(rune('a'+i)), profile: own, slot: slot})
		}
	}
	l := newLoadWatch(nil, slog.New(slog.DiscardHandler), nil, nil)
	if shares := l.shares(d.checks); shares != nil {
		t.Fatalf("got %v, want all to be checked before anything was seen", shares)
	}
	p := newPlant()
	for range 60 {
		p.second(160, 80)
		l.update(t.Context(), "fra", p.t.last)
	}
	shares := l.shares(d.checks)
	if len(shares) != 1 || shares["fra"] < 0.4 || shares["fra"] > 0.6 {
		t.Fatalf("got %v, want about half at fra", shares)
	}
	d.shed(shares)
	kept := map[*profile]int{}
	for _, check := range d.checks {
		kept[check.profile]++
	}
	if kept[busy] < 30 || kept[busy] > 70 || kept[cron] != 100 || kept[calm] != 100 || len(d.missed) != 1+100-kept[busy] {
		t.Errorf("got %d, %d and %d checks of a busy location, by cron and of a calm one, and %d misses, want about 50, 100, 100, and what is left of the first",
			kept[busy], kept[cron], kept[calm], len(d.missed))
	}
	if miss := d.missed[1]; miss.Miss == nil || miss.Miss.Reason != job.MissShed || miss.Location != "fra" || !miss.Miss.Last.Equal(slot) || miss.Miss.Count != 1 {
		t.Errorf("got %+v, want a slot that was shed", miss)
	}
	if !l.assumeOverload() || newLoadWatch(nil, slog.New(slog.DiscardHandler), nil, nil).assumeOverload() {
		t.Error("got another word of whether the server ever answered, want that it did here and did not to a new one")
	}
	if again := l.shares(d.checks); again["fra"] >= shares["fra"] || len(again) != 1 {
		t.Errorf("got %v after %v, want less while the server does not answer", again, shares)
	}
}

func TestDemandFollowsDefinitions(t *testing.T) {
	t.Parallel()
	table := newMonitorTable(4)
	set := func(name string, m job.Monitor) {
		t.Helper()
		m.Name, m.Spec = name, job.Spec{TCP: &job.TCP{Address: "h:1"}}
		all, err := newDefinitions(&m, time.Unix(1000, 0))
		if err != nil {
			t.Fatal(err)
		}
		table.set(name, all)
	}
	tenth := job.Monitor{Interval: job.Duration(10 * time.Second)}
	for i := range 20 {
		set("m"+string(rune('a'+i)), tenth)
	}
	set("fast", job.Monitor{Interval: job.Duration(time.Second), Locations: []string{"fra"}})
	set("cron", job.Monitor{Cron: "* * * * *"})
	set("paused", job.Monitor{Interval: job.Duration(time.Second), Paused: true})
	if got := table.demand(); got[job.DefaultLocation] != 2 || got["fra"] != 1 {
		t.Errorf("got %v, want 2 a second, and 1 at fra", got)
	}
	set("ma", job.Monitor{Interval: job.Duration(5 * time.Second)})
	table.remove("mb")
	table.remove("fast")
	if got := table.demand(); got[job.DefaultLocation] < 1.999 || got[job.DefaultLocation] > 2.001 || got["fra"] != 0 {
		t.Errorf("got %v after a change and two removals, want 2 a second again, and none at fra", got)
	}
}
