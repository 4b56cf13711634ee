package monitor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
)

func named(name, address string) job.Monitor {
	return job.Monitor{V: job.Version, Name: name, Spec: job.Spec{TCP: &job.TCP{Address: address}}}
}

func TestDiffComparesByNameAndContent(t *testing.T) {
	t.Parallel()
	have := []job.Monitor{named("a", "h:1"), named("b", "h:1"), named("c", "h:1"), named("d", "h:1")}
	want := []job.Monitor{named("e", "h:1"), named("d", "h:1"), named("b", "h:2"), named("a", "h:1")}
	got := monitor.Diff(have, want)
	expected := monitor.Change[job.Monitor]{
		Added: []job.Monitor{named("e", "h:1")}, Changed: []job.Monitor{named("b", "h:2")},
		Removed: []job.Monitor{named("c", "h:1")}, Same: 2,
	}
	if diff := cmp.Diff(expected, got); diff != "" || got.Empty() {
		t.Errorf("got empty %t (-want +got):\n%s", got.Empty(), diff)
	}
	if again := monitor.Diff(want, want); !again.Empty() || again.Same != 4 {
		t.Errorf("got %+v for equal lists, want four that are the same", again)
	}
}

func TestDiffComparesRecipientsToo(t *testing.T) {
	t.Parallel()
	have := []job.Recipient{{Name: "a", Addresses: []string{"a@example.org"}}, {Name: "b"}}
	want := []job.Recipient{{Name: "a", Addresses: []string{"b@example.org"}}}
	expected := monitor.Change[job.Recipient]{Changed: want, Removed: have[1:]}
	if diff := cmp.Diff(expected, monitor.DiffRecipients(have, want)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
