package monitor_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
)

// large is a list of n monitors. Some say more than others.
func large(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  - name: monitor-%d\n    http: https://example.org/%d\n    interval: 30s\n", i, i)
		if i%3 == 0 {
			b.WriteString("\n    # a remark\n    expect: ['status == 200', 'latency < duration(\"800ms\")']\n")
		}
		if i%5 == 0 {
			b.WriteString("    timeout: &t 5s\n")
		}
	}
	return b.String()
}

const (
	above = "recipients: {oncall: a@example.org}\nx-base: &base {failure_threshold: 7, notify: &who [oncall]}\nmonitors:\n"
	below = "defaults: {timeout: 4s, notify: oncall}\n"
)

func TestLargeFilesMeanTheSameAsTheirParts(t *testing.T) {
	t.Parallel()
	const n = 15_000
	text := above + large(n) + "  - {<<: *base, name: last, tcp: '127.0.0.1:1', timeout: *t}\n" + below
	if len(text) < 1<<20 {
		t.Fatalf("got %d bytes, want a file that is read in parts", len(text))
	}
	file := parse(t, text)
	if len(file.Monitors) != n+1 {
		t.Fatalf("got %d monitors, want %d", len(file.Monitors), n+1)
	}
	for i := 0; i < n; i += 777 {
		alone := strings.Replace(large(i+1), large(i), "", 1)
		want := parse(t, above+alone+below).Monitors[0]
		if diff := cmp.Diff(want, file.Monitors[i]); diff != "" {
			t.Fatalf("monitor %d (-want +got):\n%s", i, diff)
		}
	}
	last := file.Monitors[n]
	if last.FailureThreshold != 7 || last.Timeout.String() != "5s" || last.Notify[0] != "oncall" {
		t.Errorf("got %+v, want what the anchors of the head and of another monitor say", last)
	}
}

func TestMistakesInLargeFilesHaveTheirPlaces(t *testing.T) {
	t.Parallel()
	items := strings.Repeat("  - tcp: 127.0.0.1:1\n    name: n\n", 20) // one is good
	text := above + strings.Replace(large(15_000), "  - name: monitor-7000\n", "  - name: monitor-7000\n   broken\n", 1) +
		items + below + "defaults: {}\n"
	var got []string
	for _, p := range problems(t, text) {
		line := strings.Split(text, "\n")[p.Line-1]
		if p.Source != line {
			t.Fatalf("got source %q, want line %d, which is %q", p.Source, p.Line, line)
		}
		got = append(got, p.Found)
	}
	want := []string{"broken YAML (value is not allowed in this context)"}
	for range 19 {
		want = append(want, `"n" again`)
	}
	want = append(want, `a second "defaults"`)
	if diff := cmp.Diff(want, got[:len(want)]); diff != "" || len(got) != len(want) {
		t.Errorf("got %d (-want +got):\n%s", len(got), diff)
	}
}

func TestLargeFilesMayUseAnchorsOfMonitorsBelow(t *testing.T) {
	t.Parallel()
	file := parse(t, above+"  - {name: first, tcp: '127.0.0.1:1', timeout: &later 3s}\n"+large(15_000)+"defaults: {timeout: *later}\n")
	if got := file.Monitors[2].Timeout.String(); got != "3s" {
		t.Errorf("got timeout %s, want the anchor's 3s", got)
	}
}

func TestListsThatAreWrittenInOtherWays(t *testing.T) {
	t.Parallel()
	lines := large(15_000)
	outdented := strings.ReplaceAll(strings.ReplaceAll(lines, "\n  ", "\n"), "  - name: monitor-0\n", "- name: monitor-0\n")
	for name, text := range map[string]string{
		"dashes below the key":       "monitors: # all of them\n" + outdented + below + "recipients: {oncall: a@example.org}\n",
		"the list ends the file":     below + "recipients: {oncall: a@example.org}\nmonitors:\n" + strings.TrimSuffix(lines, "\n"),
		"a document's start and end": "---\n" + above + lines + below + "...\n",
		"a list of one line":         above + "  []\n#" + strings.Repeat("#", 1<<20) + "\n" + below,
	} {
		file := parse(t, text)
		if want := strings.Count(text, "name: monitor-"); len(file.Monitors) != want {
			t.Errorf("%s: got %d monitors, want %d", name, len(file.Monitors), want)
		}
	}
}

func TestMonitorsOfLargeFilesAreTheSameEncoded(t *testing.T) {
	t.Parallel()
	text := above + large(15_000) + "  - {<<: *base, name: last, tcp: '127.0.0.1:1'}\n" + below
	want := parse(t, text).Monitors
	encoding, told := options(), 0
	encoding.Encode, encoding.Progress = true, func(monitors int) { told = monitors }
	file, err := monitor.Parse("large.yaml", []byte(text), encoding)
	if err != nil || file.Count() != len(want) || file.Monitors != nil || told != len(want) {
		t.Fatalf("got %d encoded and %d other monitors, progress %d and %v, want %d encoded", file.Count(), len(file.Monitors), told, err, len(want))
	}
	for _, m := range want {
		id, ok := file.Encoded.Find(m.Name)
		if body, err := job.Encode(m); !ok || err != nil || !bytes.Equal(file.Encoded.Text(id), body) {
			t.Fatalf("got %v, want %s", ok, body)
		}
		if line, _, _ := strings.Cut(text, "name: last"); m.Name == "last" && int(*file.Encoded.Value(id)) != strings.Count(line, "\n")+1 {
			t.Errorf("got line %d of the last monitor, want its own", *file.Encoded.Value(id))
		}
	}
}

func TestNamesMeetAcrossTheWholeOfLargeFiles(t *testing.T) {
	t.Parallel()
	text := above + "  - {<<: *base, name: m, tcp: '127.0.0.1:1'}\n" + large(15_000) + "  - {<<: *base, name: m, tcp: '127.0.0.1:1'}\n" +
		"  - {<<: *nothing, name: n, tcp: '127.0.0.1:1', depends_on: [m, monitor-14999, nobody]}\n" + below
	var got []string
	for _, p := range problems(t, text) {
		got = append(got, fmt.Sprintf("%d: %s, %s", p.Line, p.Found, p.Expected))
	}
	last := strings.Count(text, "\n") - 1
	want := []string{
		fmt.Sprintf("%d: \"m\" again, a name of its own, unlike the one in line 4", last-1),
		fmt.Sprintf("%d: the alias *nothing, an anchor &nothing before it", last),
		fmt.Sprintf("%d: \"nobody\", the name of a monitor in this file", last),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkParse10000(b *testing.B) {
	text := []byte(above + large(10_000) + below)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := monitor.Parse("bench.yaml", text, options()); err != nil {
			b.Fatal(err)
		}
	}
}
