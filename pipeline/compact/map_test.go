package compact_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"vedette/pipeline/compact"
)

type value struct{ a, b int64 }

// contents returns all entries in a map.
func contents(m *compact.Map[value]) map[string]string {
	all := map[string]string{}
	m.All(func(id compact.ID) bool {
		all[string(m.Name(id))] = fmt.Sprintf("%s %v", m.Text(id), *m.Value(id))
		return true
	})
	return all
}

func TestMapMatchesAGoMap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var m compact.Map[value]
	want, values := map[string]string{}, map[string]value{}
	for i := range 200_000 {
		name := fmt.Sprintf("m%d", random.IntN(3000))
		if random.IntN(4) == 0 {
			_, known := values[name]
			if got := m.Delete(name); got != known {
				t.Fatalf("step %d: got %v for the removal of %s, want %v", i, got, name, known)
			}
			delete(want, name)
			delete(values, name)
			continue
		}
		text := strings.Repeat("x", random.IntN(40))
		id := m.Put(name, []byte(text))
		if got := *m.Value(id); got != values[name] {
			t.Fatalf("step %d: got %v at %s, want %v", i, got, name, values[name])
		}
		v := value{int64(i), random.Int64()}
		*m.Value(id), values[name] = v, v
		want[name] = fmt.Sprintf("%s %v", text, v)
	}
	if got := contents(&m); !maps.Equal(got, want) || m.Len() != len(want) {
		t.Errorf("got %d entries and length %d, want the %d entries put", len(got), m.Len(), len(want))
	}
	for name := range want {
		if id, ok := m.Find(name); !ok || string(m.Name(id)) != name {
			t.Errorf("got %v for %s, want its ID", ok, name)
		}
		m.Delete(name)
	}
	if _, ok := m.Find("m1"); ok || m.Len() != 0 || len(contents(&m)) != 0 {
		t.Errorf("got %d entries left, want none", m.Len())
	}
}

func TestNamesAndTextsNeverChange(t *testing.T) {
	t.Parallel()
	var m compact.Map[value]
	id := m.Put("a", []byte("first"))
	name, text := m.Name(id), m.Text(id)
	for i := range 100_000 { // enough to copy the arena many times
		m.Put("a", fmt.Appendf(nil, "other %d", i))
		m.Put("b", fmt.Appendf(nil, "other %d", i))
	}
	m.Delete("a")
	if string(name) != "a" || string(text) != "first" {
		t.Errorf("got %s %s, want a first", name, text)
	}
}

func TestEmptyMap(t *testing.T) {
	t.Parallel()
	var m compact.Map[value]
	if _, ok := m.Find("a"); ok || m.Delete("a") || m.Len() != 0 || len(contents(&m)) != 0 {
		t.Error("got an entry in an empty map, want none")
	}
	id := m.Put("", nil)
	if len(m.Name(id)) != 0 || len(m.Text(id)) != 0 || m.Len() != 1 {
		t.Error("got no entry under the empty name, want one")
	}
	if long := strings.Repeat("x", 1<<20); string(m.Text(m.Put("long", []byte(long)))) != long {
		t.Error("got another text than the long one put")
	}
}
