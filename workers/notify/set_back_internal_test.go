package notify

import (
	"testing"
	"time"

	"vedette/pipeline/job"
)

func TestWhatWaitsForATimeBeforeTheClockWasSetBackIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	grouping := &job.Grouping{GroupWait: job.Duration(30 * time.Second), GroupInterval: job.Duration(5 * time.Minute)}
	hour := now.Add(time.Hour)
	g := job.NotificationGroup{LastNotified: hour, NextFlush: hour.Add(time.Minute), Sent: &job.Notification{ID: "x", At: hour}}
	setGroupBack(&g, grouping, now)
	if want := now.Add(-5 * time.Minute); !g.LastNotified.Equal(want) || !g.NextFlush.IsZero() || !g.Sent.At.Equal(want) {
		t.Errorf("got %+v, want the last mail a group interval ago, and no flush set", g)
	}
	g = job.NotificationGroup{LastNotified: now.Add(-time.Minute), NextFlush: hour}
	setGroupBack(&g, grouping, now)
	if !g.NextFlush.Equal(hour) || !g.LastNotified.Equal(now.Add(-time.Minute)) {
		t.Errorf("got %+v, want a group with a reminder in an hour unchanged", g)
	}

	p := planner{Input: Input{Now: now, Grouping: *grouping}}
	if got := p.receivedBy(hour); !got.Equal(now.Add(-30 * time.Second)) {
		t.Errorf("got %s, want that it has waited", got)
	}
	if got := p.receivedBy(now.Add(2 * time.Second)); !got.Equal(now.Add(2 * time.Second)) {
		t.Errorf("got %s, want the time of another process kept", got)
	}
}

func TestTheDigestIsDueSoonAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, d := range map[string]job.Digest{
		"sent in the future": {Sent: now.Add(time.Hour)},
		"due in the future":  {Sent: now.Add(-time.Hour), Due: now.Add(time.Hour), Pending: []job.Notice{{ID: "old"}}},
	} {
		got, changed := Collect(d, job.Notice{ID: "new"}, now)
		if want := now.Add(digestWait); !changed || !got.Due.Equal(want) {
			t.Errorf("%s: got due at %s, want %s", name, got.Due, want)
		}
	}
}
