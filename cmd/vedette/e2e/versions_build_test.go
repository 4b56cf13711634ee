package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit replaces a text of a source file, which must be there.
type edit struct{ file, from, to string }

// sooner are the changes by which the present version has the patience of a test.
func sooner() []edit {
	return []edit{
		{"pipeline/pool/settle.go", "newerPatience = time.Minute", "newerPatience = 3 * time.Second"},
		{"workers/stage_maintain.go", "const parkedPeriod = 20 * time.Second", "const parkedPeriod = time.Second"},
	}
}

// nextVersion are the changes that make the next version of the present one:
// checks, monitors, mails and outcomes have a new field, which goes from one to
// the other, so that everything that comes of it is of the new version; and a
// stream is configured otherwise.
func nextVersion() []edit {
	const field = "\tNovelty string `json:\"novelty,omitempty\"`\n"
	const stamp = "\n// Stamp sets the version of a message that has the new field.\n" +
		"func Stamp(body []byte) []byte {\n\tif bytes.Contains(body, []byte(`\"novelty\":`)) {\n" +
		"\t\treturn bytes.Replace(body, []byte(`{\"v\":1`), []byte(`{\"v\":2`), 1)\n\t}\n\treturn body\n}\n"
	return append(sooner(),
		edit{"pipeline/job/codec.go", "Newest = 1", "Newest = 2"},
		edit{"pipeline/job/spec.go", "type Spec struct {\n", "type Spec struct {\n" + field},
		edit{"pipeline/job/mail.go", "type Mail struct {\n", "type Mail struct {\n" + field},
		edit{"pipeline/job/result.go", "type ProbeResult struct {\n", "type ProbeResult struct {\n" + field},
		edit{"workers/stage_check.go", "\treturn &result, nil\n", "\tresult.Novelty = spec.Novelty\n\treturn &result, nil\n"},
		edit{"pipeline/job/codec.go", "encodeFast(message); ok {", "encodeFast(message); ok && false {"},
		edit{"pipeline/job/codec.go", "\treturn bytes.TrimRight(buffer.Bytes(), \"\\n\"), nil\n}\n", "\treturn Stamp(bytes.TrimRight(buffer.Bytes(), \"\\n\")), nil\n}\n" + stamp},
		edit{"workers/result_batch.go", "return append(body, ']', '}')", "return job.Stamp(append(body, ']', '}'))"},
		edit{"pipeline/topology/streams.go", "const Layout = 1", "const Layout = 2"},
		edit{"pipeline/topology/streams.go", "EveryCall), 10_000", "EveryCall), 20_000"},
	)
}

// build builds the program with some changes, which are laid over the sources.
func build(t *testing.T, name string, edits []edit) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed := map[string]string{}
	for _, e := range edits {
		path := filepath.Join(root, e.file)
		if changed[path] == "" {
			changed[path] = source(t, path)
		}
		if strings.Count(changed[path], e.from) != 1 {
			t.Fatalf("%s: got %d times %q, want it once", e.file, strings.Count(changed[path], e.from), e.from)
		}
		changed[path] = strings.Replace(changed[path], e.from, e.to, 1)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range changed {
		replacement := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, root+"/"), "/", "_"))
		if err := os.WriteFile(replacement, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = replacement
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, name)
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-overlay", file, "-o", program, "..").CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return program
}

func source(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
