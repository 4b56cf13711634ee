package job

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeKnownReadsTheKnownFieldsInANewerMessage(t *testing.T) {
	t.Parallel()
	const newer = `{"v":99,"name":"website","colour":"red","group":"web","labels":{"env":"prod"},"http":{"url":"https://example.org","priority":7,"headers":{"A":"b"}},"interval":"1m0s",` +
		`"flapping":{"enter":40,"leave":20,"slope":{"x":1}},"notify":["oncall"],"quantum":{"deep":[1,{"er":null}]}}`
	want := Monitor{
		V: 99, Name: "website", Group: "web", Labels: map[string]string{"env": "prod"}, Interval: Duration(60e9),
		Spec:   Spec{HTTP: &HTTP{URL: "https://example.org", Headers: map[string]string{"A": "b"}}},
		Policy: Policy{Flapping: &Flapping{Enter: 40, Leave: 20}, Notify: []string{"oncall"}},
	}
	got, err := DecodeKnown[Monitor]([]byte(newer))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := Decode[Monitor]([]byte(newer)); !errors.Is(err, ErrNewer) {
		t.Errorf("Decode: got %v, want ErrNewer", err)
	}
	batch, err := DecodeKnown[Results]([]byte(`{"v":99,"results":[{"monitor":"a","slot":"2026-03-01T12:00:07Z","mood":"good","probe_result":{"health":"up","started":"2026-03-01T12:00:07Z","latency":"1ms","phases":{"queue":"1ms"}}}]}`))
	if err != nil || len(batch.Results) != 1 || batch.Results[0].ProbeResult.Health != Up {
		t.Errorf("got %+v, %v, want the result", batch, err)
	}
	for body, want := range map[string]error{
		`{"v":1,"colour":"red"}`:                 ErrMalformed, // not a newer version but a mistake
		`{"v":99,"interval":{"every":"minute"}}`: ErrNewer,     // a changed field, which no version may have
		`{"v":99,`:                               ErrMalformed,
	} {
		if _, err := DecodeKnown[Monitor]([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestNewerReportsUnreadableVersions(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{`{"v":99}`: true, `{"v":1}`: false, `{}`: false, `x`: false, ``: false} {
		if got := Newer([]byte(body)); got != want {
			t.Errorf("%s: got %v, want %v", body, got, want)
		}
	}
}
