package job_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
)

// shouted stands for a secret: its name in brackets.
func shouted(name string) (string, error) { return "<" + name + ">", nil }

func TestReferencesAreReplacedAndDollarsBeforeThemPaired(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"plain":                         "plain",
		"a$b ^x$ $$ ${NAME} {secret:A}": "a$b ^x$ $$ ${NAME} {secret:A}",
		"${secret:A}":                   "<A>",
		"Bearer ${secret:A}.":           "Bearer <A>.",
		"${secret:A}${secret:b-1.c_2}":  "<A><b-1.c_2>",
		"$${secret:A}":                  "${secret:A}",
		"$$${secret:A}":                 "$<A>",
		"$$$${secret:A}":                "$${secret:A}",
		"$$$$${secret:A}":               "$$<A>",
		"$${secret:not a name":          "${secret:not a name",
		"x$${secret:A}${secret:A}":      "x${secret:A}<A>",
		"{secret:A}${secret:B}":         "{secret:A}<B>",
	} {
		if got, err := job.ExpandReferences(text, shouted); got != want || err != nil {
			t.Errorf("%q: got %q and %v, want %q", text, got, err, want)
		}
	}
}

func TestMalformedReferencesSayWhatIsWrongAndShowNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"${secret:}":          "without a name",
		"${secret:hunter2":    "without its }",
		"${secret:hunter 2}":  "another character",
		"${secret:hünter}":    "another character",
		"${secret:../hunter}": "another character",
		"${secret:..}":        "dots in a row or at an end",
		"${secret:hunter.}":   "dots in a row or at an end",
		"${secret:" + strings.Repeat("hunter", 30) + "}": "too long",
		"a ${secret:A} ${secret:":                        "without its }",
	} {
		got, err := job.ExpandReferences(text, shouted)
		if err == nil || got != "" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), ", expected ${secret:NAME}") {
			t.Errorf("%q: got %q and %v, want an error with %q", text, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: got %v, which shows what was written", text, err)
		}
	}
}

func TestLiteralsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "$", "a$", "$$", "${secret:A}", "$${secret:A}", "{secret:A}", "${secret:", "x ${secret:A} $${secret:B} {secret:C}$", "${NAME}"} {
		if got, err := job.ExpandReferences(job.EscapeReferences(text, false), shouted); got != text || err != nil {
			t.Errorf("%q: got %q and %v, want it again", text, got, err)
		}
		if got, err := job.ExpandReferences(job.EscapeReferences(text, true)+job.Reference("A"), shouted); got != text+"<A>" || err != nil {
			t.Errorf("%q before a reference: got %q and %v, want it again and <A>", text, got, err)
		}
	}
}

func FuzzLiteral(f *testing.F) {
	f.Add("a$${secret:A}$")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := job.ExpandReferences(job.EscapeReferences(text, true)+job.Reference("A")+job.EscapeReferences(text, false), shouted)
		if want := text + "<A>" + text; got != want || err != nil {
			t.Fatalf("got %q and %v, want %q", got, err, want)
		}
	})
}

// everything are probes all of whose texts refer to secrets of their own names.
func everything() []job.Spec {
	h := func(name string) map[string]string { return map[string]string{"X-Key": job.Reference(name)} }
	return []job.Spec{
		{HTTP: &job.HTTP{
			URL: "https://u:" + job.Reference("a") + "@h", Headers: h("b"), Body: job.Reference("c"), BearerToken: job.Reference("d"), Proxy: "http://" + job.Reference("e") + "@p",
			BasicAuth: &job.BasicAuth{Username: job.Reference("f"), Password: job.Reference("g")},
		}},
		{TCP: &job.TCP{Address: "h:1", Dialogue: []job.Step{{Expect: "x"}, {Send: job.Reference("a") + "\r\n"}}}},
		{GRPC: &job.GRPC{Address: "h:1", Metadata: map[string]string{"a": job.Reference("a"), "b-bin": job.Reference("b")}}},
		{WebSocket: &job.WebSocket{URL: "wss://h/" + job.Reference("a"), Headers: h("b"), Send: job.Reference("c")}},
	}
}

func TestEveryTextThatAProbeSendsMayReferToSecrets(t *testing.T) {
	t.Parallel()
	tagged := map[string]int{}
	for _, spec := range everything() {
		kind, _ := spec.Kind()
		before, _ := job.Encode(spec)
		var paths []string
		changed, err := spec.MapSentTexts(func(s job.SentText) (string, error) { paths = append(paths, s.Path); return "", nil })
		if err != nil || changed.HasReference() || !spec.HasReference() {
			t.Errorf("%s: got %+v and %v, want no reference left", kind, changed, err)
		}
		if after, _ := job.Encode(spec); !bytes.Equal(after, before) {
			t.Errorf("%s: got the spec changed to %s, want a copy changed", kind, after)
		}
		if names := spec.SecretNames(); len(names) != len(paths) {
			t.Errorf("%s: got %v at %v, want a name each", kind, names, paths)
		}
		tagged[kind] = len(paths)
	}
	// Metadata has two places for one field.
	want := map[string]int{"http": countSent(reflect.TypeFor[job.HTTP]()), "tcp": countSent(reflect.TypeFor[job.TCP]()), "grpc": countSent(reflect.TypeFor[job.GRPC]()) + 1, "websocket": countSent(reflect.TypeFor[job.WebSocket]())}
	if diff := cmp.Diff(want, tagged); diff != "" {
		t.Errorf("texts that are tagged, and that are changed (-want +got):\n%s", diff)
	}
}

// countSent counts the fields of a probe that are tagged as sent.
func countSent(of reflect.Type) int {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return 0
	}
	count := 0
	for _, field := range reflect.VisibleFields(of) {
		if slices.Contains(strings.Split(field.Tag.Get("file"), ","), "sent") {
			count++
		} else if !field.Anonymous {
			count += countSent(field.Type)
		}
	}
	return count
}

func TestEachReferenceAloneIsNoticed(t *testing.T) {
	t.Parallel()
	for _, spec := range everything() {
		kind, _ := spec.Kind()
		all := len(spec.SecretNames())
		for only := range all {
			at := 0
			single, _ := spec.MapSentTexts(func(s job.SentText) (string, error) {
				at++
				if at-1 == only {
					return s.Text, nil
				}
				return "x", nil
			})
			if got := single.SecretNames(); len(got) != 1 {
				t.Errorf("%s: got %v for text %d alone, want one name", kind, got, only)
			}
		}
	}
}

func TestMapSentTextsReturnsTheFirstError(t *testing.T) {
	t.Parallel()
	calls := 0
	_, err := everything()[0].MapSentTexts(func(job.SentText) (string, error) { calls++; return "", errors.New(strconv.Itoa(calls)) })
	if err == nil || err.Error() != "1" || calls < 2 {
		t.Errorf("got %v after %d calls, want the first of several", err, calls)
	}
}

func TestSpecsWithoutReferencesCostNoAllocation(t *testing.T) {
	for _, spec := range []job.Spec{
		{},
		{HTTP: &job.HTTP{URL: "https://u:p$@h/${x}", Headers: map[string]string{"A": "{secret:A}"}, BasicAuth: &job.BasicAuth{}}},
		{TCP: &job.TCP{Dialogue: []job.Step{{Send: "$"}, {Expect: "${secret:A}"}}}},
		{DNS: &job.DNS{Name: "${secret:A}"}},
		{GRPC: &job.GRPC{Metadata: map[string]string{"a": "b"}}},
		{WebSocket: &job.WebSocket{Send: "x", Expect: "${secret:A}"}},
	} {
		if spec.HasReference() || spec.SecretNames() != nil {
			t.Errorf("got a reference in %+v, want none", spec)
		}
		if n := testing.AllocsPerRun(100, func() { _ = spec.HasReference() }); n != 0 {
			t.Errorf("got %v allocations, want none", n)
		}
	}
}

func BenchmarkMayRefer(b *testing.B) {
	spec := job.Spec{HTTP: &job.HTTP{URL: "https://example.org/health", Method: "HEAD", Headers: map[string]string{"Accept": "text/html"}}}
	for b.Loop() {
		if spec.HasReference() {
			b.Fatal("got a reference, want none")
		}
	}
}
