package e2e_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README shows what the demo prints. Addresses, times and paths differ.
func TestTheDemoPrintsWhatTheREADMEShows(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "```text\nvedette watches")
	block, _, found := strings.Cut("vedette watches"+block, "```")
	if !found {
		t.Fatal("found no output of the demo in the README")
	}
	demo, err := os.ReadFile("../../../testdata/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := newInstance(t, string(demo))
	r.start()
	for line := range strings.Lines(block) {
		want := anyPlace(line)
		eventually(t, "the line "+want, func() bool { return strings.Contains(anyPlace(r.output.String()), want) })
	}
}

// anyPlace replaces what differs from run to run.
func anyPlace(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, "TIME"}, {`127\.0\.0\.1:\d+`, "ADDRESS"}, {`\S*/?\w+\.yaml`, "FILE"}, {`Maildir \S+`, "Maildir DIR"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}
