package job

import (
	"errors"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// grown is a message as later versions may have it.
type grown struct {
	V       int              `json:"v"`
	Name    string           `json:"name"`
	Colour  string           `json:"colour,omitempty" since:"2"`
	Part    *part            `json:"part,omitempty"`
	Parts   []part           `json:"parts,omitempty"`
	Places  map[string]*part `json:"places,omitempty"`
	Shape   *shape           `json:"shape,omitempty" since:"4"`
	Deeper  []grown          `json:"deeper,omitempty"`
	private int
}

type part struct {
	Size  int `json:"size"`
	Depth int `json:"depth,omitempty" since:"3"`
}

type shape struct {
	Corners int `json:"corners"`
}

func TestMessageBearsTheOldestVersionThatCanExpressIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message grown
		want    int
	}{
		"nothing new":                   {grown{V: 1, Name: "a", Part: &part{Size: 1}, private: 1}, 1},
		"a new field":                   {grown{V: 1, Colour: "red"}, 2},
		"a new field of a part":         {grown{V: 1, Colour: "red", Part: &part{Depth: 1}}, 3},
		"one among several":             {grown{V: 1, Parts: []part{{}, {Depth: 1}}}, 3},
		"one of a map":                  {grown{V: 1, Places: map[string]*part{"x": {Depth: 1}, "y": nil}}, 3},
		"a part that is new altogether": {grown{V: 1, Shape: &shape{}}, 4},
		"one of its own kind":           {grown{V: 1, Deeper: []grown{{Deeper: []grown{{Colour: "red"}}}}}, 2},
		"by hand":                       {grown{V: 7}, 7},
	} {
		stamped, ok := stamp(c.message, max(Version, needs(reflect.ValueOf(c.message)))).(grown)
		if !ok || stamped.V != c.want {
			t.Errorf("%s: got version %d, want %d", name, stamped.V, c.want)
		}
		stamped.V = c.message.V
		if diff := cmp.Diff(c.message, stamped, cmp.AllowUnexported(grown{})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestTagsOfFieldsNameVersionsThatThereAre(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var look func(t *testing.T, of reflect.Type)
	look = func(t *testing.T, of reflect.Type) {
		t.Helper()
		if seen[of] {
			return
		}
		seen[of] = true
		switch of.Kind() { //nolint:exhaustive // the others hold no fields
		case reflect.Pointer, reflect.Slice, reflect.Map:
			look(t, of.Elem())
		case reflect.Struct:
			for field := range of.Fields() {
				look(t, field.Type)
				tag, ok := field.Tag.Lookup("since")
				if version, err := strconv.Atoi(tag); ok && (err != nil || version <= Version || version > Newest) {
					t.Errorf("%s.%s: got since %q, want a version after %d and up to %d", of, field.Name, tag, Version, Newest)
				}
			}
		}
	}
	for _, message := range []any{
		Check{}, Mail{}, Monitor{}, Recipient{}, Settings{}, Results{}, State{}, NotificationLog{}, NotificationGroup{}, Silence{}, Delivery{}, Outcome{}, Ping{}, ProcessStatus{}, Digest{},
	} {
		look(t, reflect.TypeOf(message))
	}
}

func TestWhoOnlyLooksSeesWhatHasAlwaysBeenThere(t *testing.T) {
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
		t.Errorf("got %v of who acts on it, want ErrNewer", err)
	}
	batch, err := DecodeKnown[Results]([]byte(`{"v":99,"results":[{"monitor":"a","slot":"2026-03-01T12:00:07Z","mood":"good","probe_result":{"health":"up","started":"2026-03-01T12:00:07Z","latency":"1ms","phases":{"queue":"1ms"}}}]}`))
	if err != nil || len(batch.Results) != 1 || batch.Results[0].ProbeResult.Health != Up {
		t.Errorf("got %+v, %v, want the result", batch, err)
	}
	for body, want := range map[string]error{
		`{"v":1,"colour":"red"}`:                 ErrMalformed, // no newer version, but a mistake
		`{"v":99,"interval":{"every":"minute"}}`: ErrNewer,     // changed, which no version may do
		`{"v":99,`:                               ErrMalformed,
	} {
		if _, err := DecodeKnown[Monitor]([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestNewerTellsAVersionThatIsNotRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{`{"v":99}`: true, `{"v":1}`: false, `{}`: false, `x`: false, ``: false} {
		if got := Newer([]byte(body)); got != want {
			t.Errorf("%s: got %v, want %v", body, got, want)
		}
	}
}
