package producer

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// plain computes the due slots from each monitor's schedule.
func plain(t *testing.T, monitors []job.Monitor, written, cursor, tick time.Time) []string {
	t.Helper()
	var want []string
	for _, m := range monitors {
		s, err := schedule.Every(m.Interval.Std(), m.Name)
		if m.Cron != "" {
			s, err = schedule.Cron(m.Cron, m.TimeZone)
		}
		if err != nil {
			t.Fatal(err)
		}
		period := m.Interval.Std()
		if m.Cron != "" {
			period = 5 * time.Minute
		}
		after := cursor
		if !cursor.IsZero() && cursor.Before(written) {
			after = written
		}
		d := schedule.Decide(s, after, tick, min(period, max(minLateness, period/10)))
		for _, location := range m.CheckLocations() {
			misses, runs := m.Name, m.Name+" at "+location // a miss has a location only if there are several
			if m.MultiLocation() {
				misses = runs
			}
			if d.Missed.Count > 0 {
				want = append(want, fmt.Sprintf("%s misses %d from %s", misses, d.Missed.Count, d.Missed.First))
			}
			switch {
			case d.Run.IsZero():
			case m.Paused:
				want = append(want, fmt.Sprintf("%s misses 1 from %s", misses, d.Run))
			default:
				want = append(want, fmt.Sprintf("%s runs %s until %s", runs, d.Run, d.Run.Add(period)))
			}
		}
	}
	slices.Sort(want)
	return want
}

func said(d dueSlots) []string {
	var got []string
	for _, r := range d.missed {
		who := r.Monitor
		if r.Location != "" {
			who += " at " + r.Location
		}
		got = append(got, fmt.Sprintf("%s misses %d from %s", who, r.Miss.Count, r.Slot))
	}
	for _, c := range d.checks {
		got = append(got, fmt.Sprintf("%s at %s runs %s until %s", monitorOf(c.name), c.profile.location, c.slot, c.slot.Add(c.profile.period)))
	}
	slices.Sort(got)
	return got
}

func TestTableAgreesWithSchedules(t *testing.T) {
	t.Parallel()
	var monitors []job.Monitor
	for i := range 300 {
		m := job.Monitor{Name: "m" + strconv.Itoa(i), Spec: job.Spec{TCP: &job.TCP{Address: "192.0.2.1:1"}}, Paused: i%7 == 0}
		m.Interval = job.Duration([]time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour}[i%4])
		if i%50 == 0 {
			m.Interval, m.Cron = 0, "*/5 * * * *"
		}
		if i%5 == 0 {
			m.Locations = []string{"fra", "nyc", "sin"}[:i%3+1]
			m.Locations = m.Locations[len(m.Locations)/3:] // one, two, or the last two of three
		}
		monitors = append(monitors, m)
	}
	tick := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	written := tick.Add(-90*time.Second + 300*time.Millisecond)
	table := newMonitorTable(1)
	for i := range monitors {
		for _, before := range [][]string{{"fra", "tyo"}, nil, {"fra", "nyc", "gru"}, monitors[i].Locations} { // the last takes the place of the others
			m := monitors[i]
			if i%2 == 0 {
				m.Locations = before
			}
			all, err := newDefinitions(&m, written)
			if err != nil {
				t.Fatal(err)
			}
			table.set(m.Name, all)
		}
	}
	for _, cursor := range []time.Time{
		{}, tick, tick.Add(-time.Second), tick.Add(-10 * time.Second), tick.Add(-time.Minute), tick.Add(-2 * time.Minute), tick.Add(-48 * time.Hour),
	} {
		if diff := cmp.Diff(plain(t, monitors, written, cursor, tick), said(table.due(0, cursor, tick))); diff != "" {
			t.Errorf("cursor %s (-want +got):\n%s", cursor, diff)
		}
	}
	for _, m := range monitors {
		table.remove(m.Name)
	}
	if d := table.due(0, tick.Add(-time.Hour), tick); !d.empty() {
		t.Errorf("got %v of an empty table, want nothing", said(d))
	}
}
