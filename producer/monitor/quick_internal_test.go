package monitor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/google/go-cmp/cmp"
)

// shape is all that the reader looks at in a tree that is not broken.
func shape(node ast.Node) string {
	line, column := position(node)
	at := fmt.Sprintf("%d:%d ", line, column)
	switch n := node.(type) {
	case ast.MapNode:
		var b strings.Builder
		for entries := n.MapRange(); entries.Next(); {
			b.WriteString(shape(entries.Key()) + ": " + shape(entries.Value()) + "; ")
		}
		return at + "{" + b.String() + "}"
	case *ast.SequenceNode:
		var b strings.Builder
		for _, item := range n.Values {
			b.WriteString(shape(item) + "; ")
		}
		return "[" + b.String() + "]"
	case *ast.StringNode:
		return at + fmt.Sprintf("%q %v", n.Value, value{node: n}.quoted())
	case nil:
		return "nothing"
	default:
		return at + fmt.Sprintf("%s %q", n.Type(), n.GetToken().Value)
	}
}

func TestQuickReaderMakesTheTreeThatTheLibraryMakes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"  - {name: m-1, http: \"http://127.0.0.1:1/1\"}\n  - {name: m-2, tcp: 'a.example:1', paused: true}\n",
		"- name: m-1\n  http: https://example.org/1?a=b&c=%20d\n  interval: 30s\n\n# a remark\n- name: b\n  tcp: \"x:1\"   \n",
		"    - name: m\n      notify: [a, b ,c]\n      labels: {team: web, tier: \"1\"}\n      failure_threshold: 3\n      expect: ['status == 200', \"latency < duration('1s')\"]\n",
		"  - {name: a,http: 'x',notify: []}",
		"  - name: a\n    http: {url: http://x.example/, method: HEAD, headers: {X-One: a}}\n    timeout: 500ms\n",
		"  - {   name:   a   ,   tcp:   b   }   \n\n\n",
		"  - {timeout: 0, interval: 7d, group: true-ish, name: nullable, cron: '* * * * *', description: \"\"}\n",
	} {
		got, ok := quickList(text, 5)
		if !ok {
			t.Errorf("got nothing of %q, want its tree", text)
			continue
		}
		want := parseYAML(text, 5)
		if diff := cmp.Diff(shape(want.root), shape(got)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestQuickReaderLeavesTheRestToTheLibrary(t *testing.T) {
	t.Parallel()
	for _, item := range []string{
		"name: a\n   tcp: b", "name: a\n     tcp: b", "name: a\n\ttcp: b", "name: a b", "name: 'it''s'", `name: "a\n"`, "name: a # why", "name: &x a", "name: *x",
		"<<: *x", "name: |\n      a", "name: >-\n      a", "name:", "name: ", "name: a\n      b", "name: 1.5", "name: 0x1", "name: 01", "name: 1e3", "name: 1_0",
		"name: ~", "name: null", "name: Yes", "name: TRUE", "name: .inf", "name: !!str a", "? name\n    : a", "name: a: b", "name: a:", "name: {a: b", "name: {a}",
		"name: {a: b}}", "name: {a: b} c", "name: [a", "name: [[[[[[a]]]]]]", "name: 'a'b", "name: \"a\"\"b\"", "name: ä", "name: a\r", "name: @a", "name: [a, ]",
		"- a", "a", "'name': a", "name: -1", "name: +1", "name: a\n...", "name: a\n---", "name: a\n  - b\n - c", "1: a", "name: \"a\nb\"",
	} {
		text := "  - {name: first, tcp: x}\n  - " + item + "\n"
		if got, ok := quickList(text, 0); ok {
			t.Errorf("got %s of %q, want it left", shape(got), text)
		}
	}
	if _, ok := quickList("# nothing\n", 0); ok {
		t.Error("got a list of nothing, want it left")
	}
}

// FuzzQuickList looks for texts that the two read differently.
func FuzzQuickList(f *testing.F) {
	f.Add("  - {name: m-1, http: \"http://127.0.0.1:1/1\", notify: [a, b]}\n  - name: b\n    tcp: 'x:1'\n    paused: true\n    interval: 30s\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := quickList(text, 0)
		if !ok {
			return
		}
		want := parseYAML(text, 0)
		if want.mistake != nil {
			t.Fatalf("got %s, want the mistake %+v", shape(got), want.mistake)
		}
		if diff := cmp.Diff(shape(want.root), shape(got)); diff != "" {
			t.Fatalf("%q (-want +got):\n%s", text, diff)
		}
	})
}
