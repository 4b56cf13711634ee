package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/producer/schedule"
)

func every(tb testing.TB, interval time.Duration, name string) schedule.Schedule {
	tb.Helper()
	s, err := schedule.Every(interval, name)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func cron(tb testing.TB, expression, zone string) schedule.Schedule {
	tb.Helper()
	s, err := schedule.Cron(expression, zone)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	parsed, err := time.Parse("2006-01-02 15:04:05Z07:00", text)
	if err != nil {
		tb.Fatal(err)
	}
	return parsed
}

func TestIntervalsDoNotDriftInAYear(t *testing.T) {
	t.Parallel()
	start := at(t, "2026-01-01 00:00:00Z")
	for _, interval := range []time.Duration{7 * time.Second, time.Minute, 61 * time.Second, 90 * time.Second, 7 * time.Hour} {
		s := every(t, interval, "website")
		slot, n := s.Next(start), 0
		first := slot
		for ; slot.Before(start.AddDate(1, 0, 0)); n++ {
			if want := first.Add(time.Duration(n) * interval); !slot.Equal(want) {
				t.Fatalf("%s: got slot %d at %s, want %s", interval, n, slot, want)
			}
			slot = s.Next(slot)
		}
		if w := s.Window(start, start.AddDate(1, 0, 0)); w.Count != n || !w.First.Equal(first) {
			t.Errorf("%s: got %d slots from %s by arithmetic, want the %d that were walked", interval, w.Count, w.First, n)
		}
	}
}

func TestSlotsAreTheSameWhereverTheyAreAskedFrom(t *testing.T) {
	t.Parallel()
	s := every(t, 61*time.Second, "website")
	reference := s.Next(at(t, "2026-05-01 12:00:00Z"))
	for offset := range 61 {
		if got := s.Next(reference.Add(-time.Duration(offset+1) * time.Second)); !got.Equal(reference) {
			t.Fatalf("got %s asked %d s before, want %s", got, offset+1, reference)
		}
	}
	if got := s.Next(time.Unix(-1000, 0)); got.Unix() > -1000+61 || got.Unix() <= -1000 {
		t.Errorf("got %d after -1000, want it within an interval: the grid has no beginning", got.Unix())
	}
}

func TestManyMonitorsSpreadOverTheirInterval(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{7, 10, 60, 61, 90} {
		counts := make([]int, seconds)
		const each = 100
		for i := range seconds * each {
			s := every(t, time.Duration(seconds)*time.Second, fmt.Sprintf("monitor-%d", i))
			counts[s.Next(time.Unix(0, 0)).Unix()%int64(seconds)]++
		}
		for second, n := range counts {
			if n < each/2 || n > each*3/2 {
				t.Errorf("%ds: got %d in second %d, want about %d", seconds, n, second, each)
			}
		}
	}
}

func TestIntervalsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{0, -time.Second, 999 * time.Millisecond, 1500 * time.Millisecond, schedule.MaxInterval + time.Second} {
		if _, err := schedule.Every(interval, "a"); err == nil || !strings.Contains(err.Error(), interval.String()) {
			t.Errorf("got %v, want an error that shows %s", err, interval)
		}
	}
}

func slots(s schedule.Schedule, after time.Time, n int) []string {
	zone := time.UTC
	var found []string
	for range n {
		after = s.Next(after)
		found = append(found, after.In(zone).Format("01-02 15:04Z"))
	}
	return found
}

func TestCronSlots(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, expression, zone, after string
		want                          []string
	}{
		{"every quarter of an hour", "*/15 * * * *", "", "2026-03-01 12:07:00Z", []string{"03-01 12:15Z", "03-01 12:30Z", "03-01 12:45Z", "03-01 13:00Z"}},
		{"office hours on weekdays", "0 9-10 * * MON-FRI", "", "2026-03-06 09:30:00Z", []string{"03-06 10:00Z", "03-09 09:00Z", "03-09 10:00Z"}},
		{"a list and a stepped range", "5,10-20/5 0 * * *", "", "2026-03-01 00:00:00Z", []string{"03-01 00:05Z", "03-01 00:10Z", "03-01 00:15Z", "03-01 00:20Z", "03-02 00:05Z"}},
		{"from a minute on", "50/5 0 * * *", "", "2026-03-01 00:00:00Z", []string{"03-01 00:50Z", "03-01 00:55Z", "03-02 00:50Z"}},
		{"Sunday is 0 and 7", "0 0 * * 7", "", "2026-03-01 12:00:00Z", []string{"03-08 00:00Z", "03-15 00:00Z"}},
		{"either day is enough when both are named", "0 0 13 * FRI", "", "2026-02-10 00:00:00Z", []string{"02-13 00:00Z", "02-20 00:00Z", "02-27 00:00Z", "03-06 00:00Z", "03-13 00:00Z"}},
		{"daily", "@daily", "Asia/Kolkata", "2026-03-01 00:00:00Z", []string{"03-01 18:30Z", "03-02 18:30Z"}},
		{"leap day", "0 0 29 FEB *", "", "2026-03-01 00:00:00Z", []string{"02-29 00:00Z"}},
		// Berlin leaves +01:00 for +02:00 at 2026-03-29 01:00Z, and returns at 2026-10-25 01:00Z.
		{"spring: a skipped wall time comes after the gap", "30 2 * * *", "Europe/Berlin", "2026-03-28 00:00:00Z", []string{"03-28 01:30Z", "03-29 01:00Z", "03-30 00:30Z"}},
		{"spring: skipped ones and the first after them are one slot", "*/30 2,3 * * *", "Europe/Berlin", "2026-03-29 00:00:00Z", []string{"03-29 01:00Z", "03-29 01:30Z", "03-30 00:00Z"}},
		{"spring: real time goes on", "*/30 * * * *", "Europe/Berlin", "2026-03-29 00:15:00Z", []string{"03-29 00:30Z", "03-29 01:00Z", "03-29 01:30Z"}},
		{"autumn: a doubled wall time comes once", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00:00Z", []string{"10-25 00:30Z", "10-26 01:30Z"}},
		{"autumn: real time goes on", "*/30 * * * *", "Europe/Berlin", "2026-10-25 00:15:00Z", []string{"10-25 00:30Z", "10-25 01:00Z", "10-25 01:30Z", "10-25 02:00Z"}},
		{"autumn: every two hours by the wall", "0 */2 * * *", "Europe/Berlin", "2026-10-24 23:00:00Z", []string{"10-25 00:00Z", "10-25 01:00Z", "10-25 03:00Z"}},
		// New York leaves -05:00 at 2026-03-08 07:00Z and returns at 2026-11-01 06:00Z.
		{"New York, spring", "15 2 * * *", "America/New_York", "2026-03-07 12:00:00Z", []string{"03-08 07:00Z", "03-09 06:15Z"}},
		{"New York, autumn", "15 1 * * *", "America/New_York", "2026-10-31 12:00:00Z", []string{"11-01 05:15Z", "11-02 06:15Z"}},
		// Lord Howe changes by half an hour: +11 to +10:30 at 2026-04-04 15:00Z, back at 2026-10-03 15:30Z.
		{"Lord Howe, autumn", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04 00:00:00Z", []string{"04-04 14:45Z", "04-05 15:15Z"}},
		{"Lord Howe, spring", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00:00Z", []string{"10-03 15:30Z", "10-04 15:15Z"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := slots(cron(t, c.expression, c.zone), at(t, c.after), len(c.want))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCronExpressionsThatAreRefused(t *testing.T) {
	t.Parallel()
	cases := []struct{ expression, zone, says string }{
		{"* * * *", "", "found 4 fields, expected 5"},
		{"60 * * * *", "", `minute: found "60", expected 0 to 59`},
		{"* 24 * * *", "", `hour: found "24"`},
		{"* * 0 * *", "", `day of month: found "0", expected 1 to 31`},
		{"* * * JAM *", "", `month: found "JAM"`},
		{"* * * * 8", "", `day of week: found "8"`},
		{"5-1 * * * *", "", "lower end first"},
		{"*/0 * * * *", "", `step "0"`},
		{", * * * *", "", `minute: found ""`},
		{"0 0 30 2 *", "", "days that never come"},
		{"@dayly", "", "found 1 fields"},
		{"* * * * *", "Europe/Berlim", `found "Europe/Berlim", expected an IANA name`},
		{"* * * * *", "Local", "expected an IANA name"},
	}
	for _, c := range cases {
		if _, err := schedule.Cron(c.expression, c.zone); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q in %q: got %v, want %q", c.expression, c.zone, err, c.says)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	// A slot at each full minute.
	s := cron(t, "* * * * *", "")
	noon := at(t, "2026-03-01 12:00:00Z")
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	cases := []struct {
		name         string
		cursor, tick time.Time
		want         schedule.Decision
	}{
		{"nothing is due", noon, noon.Add(59 * time.Second), schedule.Decision{}},
		{"a slot in its second", noon, minute(1), schedule.Decision{Run: minute(1)}},
		{"a slot a little late", noon, minute(1).Add(9 * time.Second), schedule.Decision{Run: minute(1)}},
		{"a slot too late", noon, minute(1).Add(11 * time.Second), schedule.Decision{Missed: schedule.Window{First: minute(1), Last: minute(1), Count: 1}}},
		{"after an outage that ends on a slot", noon, minute(10), schedule.Decision{
			Run: minute(10), Missed: schedule.Window{First: minute(1), Last: minute(9), Count: 9},
		}},
		{"after an outage that ends between slots", noon, minute(10).Add(30 * time.Second), schedule.Decision{
			Missed: schedule.Window{First: minute(1), Last: minute(10), Count: 10},
		}},
		{"at the very first tick, on a slot", time.Time{}, noon.Add(300 * time.Millisecond), schedule.Decision{Run: noon}},
		{"at the very first tick, between slots", time.Time{}, noon.Add(time.Second), schedule.Decision{}},
		{"a tick that was handled", minute(1), minute(1), schedule.Decision{}},
		{"a tick before the cursor", minute(2), minute(1), schedule.Decision{}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, schedule.Decide(s, c.cursor, c.tick, 10*time.Second)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// Whatever the ticks, the restarts and the outages: each slot is run or missed,
// and none is both or twice.
func TestEachSlotEndsOnceHoweverTimeIsCut(t *testing.T) {
	t.Parallel()
	schedules := map[string]schedule.Schedule{
		"7s": every(t, 7*time.Second, "a"), "90s": every(t, 90*time.Second, "b"), "cron": cron(t, "*/2 * * * *", "Europe/Berlin"),
	}
	for name, s := range schedules {
		for seed := range uint64(50) {
			random := rand.New(rand.NewPCG(seed, 1))
			start := at(t, "2026-10-25 00:00:00Z")
			ended := map[time.Time]int{}
			cursor := start
			for cursor.Before(start.Add(3 * time.Hour)) {
				gap := time.Second
				if random.IntN(100) == 0 {
					gap = time.Duration(random.IntN(600)) * time.Second // an outage
				}
				tick := cursor.Add(gap)
				d := schedule.Decide(s, cursor, tick, 5*time.Second)
				if !d.Run.IsZero() {
					ended[d.Run]++
				}
				for slot, n := d.Missed.First, 0; n < d.Missed.Count; n++ {
					ended[slot]++
					slot = s.Next(slot)
				}
				cursor = tick
			}
			for slot := s.Next(start); !slot.After(cursor); slot = s.Next(slot) {
				if ended[slot] != 1 {
					t.Fatalf("%s, seed %d: got %d ends of slot %s, want 1", name, seed, ended[slot], slot)
				}
				delete(ended, slot)
			}
			if len(ended) != 0 {
				t.Fatalf("%s, seed %d: got %v, want no slots beside the schedule's", name, seed, ended)
			}
		}
	}
}

func TestZeroScheduleHasNoSlots(t *testing.T) {
	t.Parallel()
	var s schedule.Schedule
	if got := s.Next(time.Unix(0, 0)); !got.IsZero() {
		t.Errorf("got %s, want none", got)
	}
	if got := s.Window(time.Unix(0, 0), time.Unix(1e9, 0)); got.Count != 0 {
		t.Errorf("got %+v, want none", got)
	}
}

func FuzzCron(f *testing.F) {
	for _, seed := range []string{"*/15 * * * *", "0 9-17 * * MON-FRI", "30 2 29 FEB *", "@weekly", "5/7 */3 1,15 * 0"} {
		f.Add(seed, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, expression, zone string) {
		s, err := schedule.Cron(expression, zone)
		if err != nil {
			return
		}
		after := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
		for range 5 {
			next := s.Next(after)
			if !next.After(after) || next.Second() != 0 {
				t.Fatalf("%q: got %s after %s, want a later full minute", expression, next, after)
			}
			after = next
		}
	})
}

func BenchmarkDecideMillion(b *testing.B) {
	schedules := make([]schedule.Schedule, 1_000_000)
	for i := range schedules {
		schedules[i] = every(b, time.Minute, fmt.Sprintf("monitor-%d", i))
	}
	tick := time.Unix(1_800_000_000, 0)
	due := 0
	for b.Loop() {
		for _, s := range schedules {
			if !schedule.Decide(s, tick.Add(-time.Second), tick, 10*time.Second).Run.IsZero() {
				due++
			}
		}
		tick = tick.Add(time.Second)
	}
	b.ReportMetric(float64(due)/float64(b.N), "due/op")
}
