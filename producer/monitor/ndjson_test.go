package monitor_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
)

const head = "recipients: {oncall: a@example.org}\ndefaults: {timeout: 4s, notify: oncall}\n"

// withFiles are options whose files are these texts.
func withFiles(files map[string]string) monitor.Options {
	o := options()
	o.Open = func(path string) (io.ReadCloser, error) {
		text, ok := files[path]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
	return o
}

// manyLines are n monitors. Some say more than others.
func manyLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"name": "monitor-%d", "http": "https://example.org/%d"`, i, i)
		if i%3 == 0 {
			b.WriteString(`, "expect": ["status == 200", "latency < duration(\"800ms\")"]`)
		}
		b.WriteString("}\n")
		if i%5 == 0 {
			b.WriteString("\n# a remark\n")
		}
	}
	return b.String()
}

func found(t *testing.T, err error) []string {
	t.Helper()
	invalid, ok := errors.AsType[*monitor.InvalidError](err)
	if !ok {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	var got []string
	for _, p := range invalid.Problems {
		got = append(got, fmt.Sprintf("%s:%d: %s, %s", p.File, p.Line, p.Found, p.Expected))
	}
	return got
}

func TestMonitorsFilesOfManyBatchesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const n = 10_000
	files := withFiles(map[string]string{"many.ndjson": manyLines(n), "more.ndjson": "\ufeff" + `{"name": "last", "tcp": "127.0.0.1:1", "depends_on": "monitor-9999"}` + "\r\n"})
	text := []byte(head + "monitors: [{name: first, tcp: '127.0.0.1:1'}]\nmonitors_file: [many.ndjson, more.ndjson]\n")
	file, err := monitor.Parse("test.yaml", text, files)
	if err != nil || len(file.Monitors) != n+2 {
		t.Fatalf("got %d monitors and %v, want %d", file.Count(), err, n+2)
	}
	for i, m := range file.Monitors[1 : n+1] {
		if m.Name != fmt.Sprintf("monitor-%d", i) || m.HTTP.URL != fmt.Sprintf("https://example.org/%d", i) || (len(m.Expect) == 2) != (i%3 == 0) {
			t.Fatalf("got %+v, want monitor %d", m, i)
		}
	}
	encoding, progress := files, 0
	encoding.Encode, encoding.Progress = true, func(monitors int) { progress = monitors }
	encoded, err := monitor.Parse("test.yaml", text, encoding)
	if err != nil || encoded.Count() != n+2 || encoded.Monitors != nil || progress != n+2 {
		t.Fatalf("got %d encoded and %d other monitors, progress %d and %v, want %d encoded", encoded.Count(), len(encoded.Monitors), progress, err, n+2)
	}
	for _, m := range file.Monitors {
		id, ok := encoded.Encoded.Find(m.Name)
		if body, err := job.Encode(m); !ok || err != nil || !bytes.Equal(encoded.Encoded.Text(id), body) {
			t.Fatalf("got %v, want %s", ok, body)
		}
	}
}

func TestMistakesInMonitorsFilesHaveTheirPlaces(t *testing.T) {
	t.Parallel()
	lines := strings.Split(manyLines(10_000), "\n")
	broken, again := len(lines)/2, len(lines)-5
	lines[broken], lines[again] = `{"name": "x"`, `{"name": "monitor-0", "tcp": "127.0.0.1:1"}`
	files := withFiles(map[string]string{
		"folder/many.ndjson":  strings.Join(lines, "\n"),
		"folder/other.ndjson": `{"name": "monitor-1", "tcp": "127.0.0.1:1"}` + "\n" + `{"name": "y", "tcp": "127.0.0.1:1", "depends_on": "nothing"}`,
	})
	_, err := monitor.Parse("folder/test.yaml", []byte(head+"monitors_file: [many.ndjson, other.ndjson]\n"), files)
	want := []string{
		fmt.Sprintf("folder/many.ndjson:%d: broken JSON (unexpected end of JSON input), a JSON object with a monitor", broken+1),
		fmt.Sprintf("folder/many.ndjson:%d: \"monitor-0\" again, a name of its own, unlike the one in line 1", again+1),
		`folder/other.ndjson:1: "monitor-1" again, a name of its own, unlike the one in line 4 of folder/many.ndjson`,
		`folder/other.ndjson:2: "nothing", the name of a monitor in this file`,
	}
	if diff := cmp.Diff(want, found(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// brokenFile ends with an error.
type brokenFile struct{ io.Reader }

var errDisk = errors.New("input/output error")

func (brokenFile) Close() error { return nil }

func TestMonitorsFilesThatCannotBeReadToTheirEndAreMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from io.Reader
		want string
	}{
		"a line without an end": {strings.NewReader(`{"name": "` + strings.Repeat("x", 5<<20)), "many.ndjson:1: a line longer than 4194304 bytes, a monitor in each line"},
		"an error": {
			io.MultiReader(strings.NewReader(manyLines(2000)), failingReader{}),
			`test.yaml:3: "many.ndjson", which cannot be read (input/output error), the path of a file with a monitor as a JSON object in each line`,
		},
	} {
		o := options()
		o.Open = func(string) (io.ReadCloser, error) { return brokenFile{c.from}, nil }
		_, err := monitor.Parse("test.yaml", []byte(head+"monitors_file: many.ndjson\n"), o)
		if got := found(t, err); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errDisk }

// yamlOf writes a JSON value as YAML. It returns false for what JSON and YAML
// spell differently: numbers that YAML takes for text, and the escapes of control
// and private characters.
func yamlOf(b *strings.Builder, tokens *json.Decoder) bool {
	token, err := tokens.Token()
	if err != nil {
		return false
	}
	switch token := token.(type) {
	case json.Delim:
		b.WriteString(token.String())
		for tokens.More() {
			if token == '{' && (!yamlOf(b, tokens) || b.WriteByte(':') != nil) || b.WriteByte(' ') != nil || !yamlOf(b, tokens) {
				return false
			}
			b.WriteByte(',')
		}
		end, err := tokens.Token()
		fmt.Fprint(b, end)
		return err == nil
	case json.Number:
		b.WriteString(token.String())
		_, err := strconv.Atoi(token.String())
		return err == nil && strconv.Itoa(mustAtoi(token.String())) == token.String()
	case string:
		for _, c := range token {
			if c != '\n' && c != '\t' && (c < ' ' || c > '~' && c < 0xa1 || c > 0xd7ff) || strings.ContainsRune("\u2028\u2029", c) {
				return false
			}
		}
		if token == "<<" {
			return false // merges in YAML
		}
		b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(token) + `"`)
	case bool:
		fmt.Fprint(b, token)
	default:
		b.WriteString("null")
	}
	return true
}

func mustAtoi(text string) int { n, _ := strconv.Atoi(text); return n }

// essence is what does not depend on where a monitor is written.
func essence(err error) []string {
	var said []string
	if invalid, ok := errors.AsType[*monitor.InvalidError](err); ok {
		for _, p := range invalid.Problems {
			field := p.Field
			if inItem, ok := strings.CutPrefix(field, "monitors[0]."); ok {
				field = inItem
			} else if field == "monitors[0]" {
				field = ""
			}
			said = append(said, fmt.Sprintf("%s: %s, %s (%s)", field, strings.ReplaceAll(p.Found, "line 4", "line 1"), strings.ReplaceAll(p.Expected, "line 4", "line 1"), p.Hint))
		}
	}
	return said
}

func FuzzLinesOfMonitorsFilesMeanTheSameAsItemsOfTheList(f *testing.F) {
	for _, path := range fixtures(f, "*.ndjson") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, line string) {
		line = strings.TrimSpace(line)
		var item strings.Builder
		tokens := json.NewDecoder(strings.NewReader(line))
		tokens.UseNumber()
		if strings.ContainsAny(line, "\n") || !strings.HasPrefix(line, "{") || !json.Valid([]byte(line)) || !yamlOf(&item, tokens) {
			return
		}
		fromYAML, yamlErr := monitor.Parse("test.yaml", []byte(head+"monitors:\n- "+item.String()+"\n"), options())
		fromJSON, jsonErr := monitor.Parse("test.yaml", []byte(head+"monitors_file: one.ndjson\n"), withFiles(map[string]string{"one.ndjson": line}))
		if diff := cmp.Diff(essence(yamlErr), essence(jsonErr)); diff != "" || (yamlErr == nil) != (jsonErr == nil) {
			t.Fatalf("%s\n%s\n%v\n%v\n(-YAML +JSON):\n%s", line, item.String(), yamlErr, jsonErr, diff)
		}
		if yamlErr == nil {
			if diff := cmp.Diff(fromYAML.Monitors, fromJSON.Monitors); diff != "" {
				t.Fatalf("%s (-YAML +JSON):\n%s", line, diff)
			}
		}
	})
}
