package notify

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/job"
)

// entryOf returns a log as it is stored.
func entryOf(t *testing.T, p pair, revision uint64, log job.NotificationLog) Entry {
	t.Helper()
	log.V, log.Monitor = job.Version, p.monitor
	body, err := job.Encode(log)
	if err != nil {
		t.Fatal(err)
	}
	return Entry{Key: p.key(), Value: body, Revision: revision}
}

func observe(t *testing.T, x *Index, e Entry) {
	t.Helper()
	if err := x.Observe(e); err != nil {
		t.Fatal(err)
	}
}

func TestIndexFindsLogsByWhatTheyHold(t *testing.T) {
	t.Parallel()
	x := NewIndex()
	a, b, operators := pair{address: "x", monitor: "a.b"}, pair{address: "x", monitor: "b"}, pair{address: "x", monitor: "b", operators: true}
	down := job.Notified{Incident: job.Incident{ID: "1", Condition: job.ConditionDown, DependsOn: []string{"router"}}}
	sent := down
	sent.NotifiedBy = "m1"
	observe(t, x, entryOf(t, a, 1, job.NotificationLog{Group: "g", Incidents: []job.Notified{down}}))
	observe(t, x, entryOf(t, b, 2, job.NotificationLog{Group: "h", Former: true, Incidents: []job.Notified{sent}}))
	observe(t, x, entryOf(t, operators, 3, job.NotificationLog{Group: "o", Incidents: []job.Notified{down}}))
	observe(t, x, entryOf(t, pair{address: "x", monitor: "c"}, 4, job.NotificationLog{Group: "g", Sequence: 7}))
	check := func(what string, got, want []pair) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("in a group", x.inGroup("x.g"), []pair{a})
	check("about a monitor", x.about("b"), []pair{b, operators})
	check("with a mail", x.mentioning("m1"), []pair{b})
	check("behind a parent, in other groups", x.behindOf("x.h"), []pair{a})
	check("behind a parent, in the same group", x.behindOf("x.g"), []pair{})
	if got := x.allGroups(); len(got) != 3 || got["x.g"] != (groupStatus{outstanding: true, open: true}) || got["x.h"] != (groupStatus{}) {
		t.Errorf("got groups %+v", got)
	}
	if all, former := x.allMonitors(false), x.allMonitors(true); !slices.Equal(all, []string{"a.b", "b"}) || !slices.Equal(former, []string{"b"}) {
		t.Errorf("got monitors %v, and with former recipients %v", all, former)
	}

	observe(t, x, entryOf(t, a, 6, job.NotificationLog{Group: "h", Incidents: []job.Notified{sent}})) // moved
	observe(t, x, entryOf(t, a, 5, job.NotificationLog{Group: "g", Incidents: []job.Notified{down}})) // too late
	check("in the group before", x.inGroup("x.g"), []pair{})
	check("in the group after", x.inGroup("x.h"), []pair{a, b})
	observe(t, x, Entry{Key: a.key(), Revision: 7}) // deleted
	observe(t, x, entryOf(t, b, 8, job.NotificationLog{Group: "h"}))
	observe(t, x, entryOf(t, operators, 9, job.NotificationLog{Group: "o"}))
	if len(x.logs)+len(x.groups)+len(x.monitors)+len(x.mails)+len(x.behind) != 0 {
		t.Errorf("got %+v in the end, want it empty", x)
	}
	if err := x.Observe(Entry{Key: a.key(), Value: []byte(`{"v":99}`), Revision: 10}); !errors.Is(err, job.ErrNewer) {
		t.Errorf("got %v, want the version in an error", err)
	}
}

func TestIndexIsAwaitedUpToARevision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := NewIndex()
		done := make(chan time.Duration, 1)
		started := time.Now()
		go func() {
			x.await(t.Context(), 2)
			done <- time.Since(started)
		}()
		for revision := range uint64(3) {
			<-time.After(100 * time.Millisecond)
			observe(t, x, Entry{Key: "x.g", Revision: revision})
		}
		if took := <-done; took != 300*time.Millisecond {
			t.Errorf("got %s, want to wait until the revision was observed", took)
		}
		started = time.Now()
		x.await(t.Context(), 99)
		if time.Since(started) != indexPatience {
			t.Errorf("got %s, want a limit for the wait", time.Since(started))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		x.await(ctx, 99)
	})
}
