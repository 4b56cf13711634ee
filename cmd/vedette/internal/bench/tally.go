package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// tally counts results. It keeps four bytes for each monitor and no result, so
// that it hardly adds to the memory that is measured.
type tally struct {
	interval, length time.Duration
	silent           int // percentage with silent targets

	mu         sync.Mutex
	newest     []uint32      // by monitor: the newest checked slot in seconds; 0 before the first
	started    int           // monitors with a result
	arrived    int           // results, counted or not
	up         int           // results with health up
	firstStart time.Time     // when the first check started
	first      chan struct{} // closed at the first result
	all        chan struct{} // closed when each monitor has a result

	from, to time.Time // counted slots, without to
	twice    int       // slots that were checked again
	offGrid  int       // slots that differ from the schedule
	down     int       // slots whose target was not up
	total    outcomes
	kinds    [2]outcomes // healthy and silent targets
	quarters [4]spread   // lateness, by quarter of the counted time
}

func newTally(monitors int, l load) *tally {
	return &tally{
		interval: l.interval, length: l.length, silent: l.silent,
		newest: make([]uint32, monitors), first: make(chan struct{}), all: make(chan struct{}),
	}
}

// begin starts to count the slots from a time on.
func (t *tally) begin(from time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.from, t.to = from, from.Add(t.length)
}

// addDelivery adds a batch from the result stream.
func (t *tally) addDelivery(d pipeline.Delivery) {
	if batch, err := job.Decode[job.Results](d.Body); err == nil {
		t.add(batch.Results)
	}
}

func (t *tally) add(results []job.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range results {
		t.addResult(&results[i])
	}
}

func (t *tally) addResult(r *job.Result) {
	number, err := strconv.Atoi(strings.TrimPrefix(r.Monitor, monitorPrefix))
	if err != nil || number >= len(t.newest) {
		return // from a monitor outside this benchmark
	}
	counts := !t.from.IsZero() && !r.Slot.Before(t.from) && r.Slot.Before(t.to)
	again := r.ProbeResult != nil && t.arrive(number, r)
	switch {
	case !counts:
	case again:
		t.twice++
	default:
		t.total.add(r)
		t.kind(number).add(r)
		if r.ProbeResult != nil {
			t.inspect(r)
		}
	}
}

// arrive records a result and reports whether its slot had one already.
func (t *tally) arrive(number int, r *job.Result) (again bool) {
	t.arrived++
	if r.ProbeResult.Health == job.Up {
		t.up++
	}
	second := uint32(r.Slot.Unix()) //nolint:gosec // until 2106
	before := t.newest[number]
	t.newest[number] = max(before, second)
	if t.firstStart.IsZero() {
		t.firstStart = r.ProbeResult.Started
		close(t.first)
	}
	if before == 0 {
		t.started++
		if t.started == len(t.newest) {
			close(t.all)
		}
	}
	return second <= before
}

func (t *tally) inspect(r *job.Result) {
	if r.ProbeResult.Health != job.Up {
		t.down++
	}
	grid, err := schedule.Every(t.interval, r.Monitor)
	if err != nil || !grid.Next(r.Slot.Add(-time.Second)).Equal(r.Slot) {
		t.offGrid++
	}
	t.quarters[4*r.Slot.Sub(t.from)/t.length].add(r.ProbeResult.Started.Sub(r.Slot))
}

// open returns how many counted slots have neither a result nor a miss.
func (t *tally) open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.due() - t.total.done - t.total.missed.sum()
}

// due returns how many slots count: one per monitor and interval.
func (t *tally) due() int { return len(t.newest) * int(t.length/t.interval) }

// arrivals returns how many results have arrived, and how many of them were up.
func (t *tally) arrivals() (all, up int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.arrived, t.up
}

// outcomes are the counted slots for some monitors.
type outcomes struct {
	done   int
	missed misses
	late   spread
	held   time.Duration // summed check durations
}

func (o *outcomes) add(r *job.Result) {
	if r.Miss != nil {
		if o.missed == nil {
			o.missed = misses{}
		}
		o.missed[r.Miss.Reason] += r.Miss.Count
		return
	}
	o.done++
	o.late.add(r.ProbeResult.Started.Sub(r.Slot))
	o.held += r.ProbeResult.Latency.Std()
}

// misses counts missed slots by reason.
type misses map[job.MissReason]int

func (m misses) sum() int {
	sum := 0
	for _, n := range m {
		sum += n
	}
	return sum
}

// String returns the sum, followed by the reasons.
func (m misses) String() string {
	reasons := make([]string, 0, len(m))
	for reason, n := range m {
		reasons = append(reasons, fmt.Sprintf("%d %s", n, reason))
	}
	if len(reasons) == 0 {
		return "0"
	}
	slices.Sort(reasons)
	return fmt.Sprintf("%d (%s)", m.sum(), strings.Join(reasons, ", "))
}
