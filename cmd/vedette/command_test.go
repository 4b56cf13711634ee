package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// execute runs one command line in this process.
func execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), code
}

// closedAddress returns an address without a listener.
func closedAddress() string {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	return gone.Listener.Addr().String()
}

func TestCheckPrintsWhichTargetsAreUpAndWhy(t *testing.T) {
	t.Parallel()
	good := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer good.Close()
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	closed := closedAddress()
	cases := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"all up", []string{"check", good.URL, strings.TrimPrefix(good.URL, "http://")}, cli.ExitOK, []string{good.URL + " is UP! ("}},
		{"some down", []string{"check", good.URL, bad.URL, closed}, cli.ExitFound, []string{
			" is UP!", bad.URL + " is DOWN! (", "status: status 404 Not Found", closed + " is DOWN! (", "connect: connect refused",
		}},
		{"expectation", []string{"check", "--expect", "status == 404", bad.URL}, cli.ExitOK, []string{"is UP!"}},
		{"failed expectation", []string{"check", "--expect", "status == 404", good.URL}, cli.ExitFound, []string{"expectation: expected status == 404, found status = 200"}},
	}
	for _, c := range cases {
		stdout, stderr, code := execute(t, c.args...)
		if code != c.code || stderr != "" {
			t.Errorf("%s: got code %d and %q on stderr, want %d and nothing", c.name, code, stderr, c.code)
		}
		for _, want := range c.says {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: got %q, want %q in it", c.name, stdout, want)
			}
		}
	}
}

func TestCheckPrintsAJSONObjectForEachTarget(t *testing.T) {
	t.Parallel()
	good := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer good.Close()
	stdout, _, code := execute(t, "check", "--json", good.URL, closedAddress())
	if code != cli.ExitFound {
		t.Errorf("got code %d, want %d", code, cli.ExitFound)
	}
	decoder := json.NewDecoder(strings.NewReader(stdout))
	healths := map[string]int{}
	for decoder.More() {
		var line struct{ Target, Health, Latency string }
		if err := decoder.Decode(&line); err != nil || line.Target == "" || line.Latency == "" {
			t.Fatalf("got %+v, %v from %s", line, err, stdout)
		}
		healths[line.Health]++
	}
	if healths["up"] != 1 || healths["down"] != 1 {
		t.Errorf("got %v, want one up and one down", healths)
	}
}

func TestMistakesExitWithAUsageErrorAndAHint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("monitors:\n  - {name: a, htttp: x}\nrecipient: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		args []string
		says []string
	}{
		{[]string{"vaildate"}, []string{`find command: found "vaildate"`, `did you mean "validate"?`}},
		{[]string{"check"}, []string{"read arguments: found none, expected TARGET...", "vedette check --help"}},
		{[]string{"check", "--parallel", "0", "--timeout", "-1s", "ftp://x", "db:0"}, []string{"--parallel", "--timeout", `scheme "ftp"`, `port "0"`}},
		{[]string{"check", "--expect", "statsu == 200", "http://x"}, []string{"undeclared reference", "statsu"}},
		{[]string{"check", "--bogus", "x"}, []string{"read flags: found --bogus", "hint: see 'vedette check --help'"}},
		{[]string{"validate", bad}, []string{"vedette: " + bad + ":2:", `did you mean "http"?`, "vedette: " + bad + ":3:", `did you mean "recipients"?`}},
		{[]string{"validate", filepath.Join(dir, "none.yaml")}, []string{"none.yaml", "no such file"}},
		{[]string{"apply", bad}, []string{"bad.yaml:2:"}},
		{[]string{"run", bad}, []string{"bad.yaml:2:"}},
		{[]string{"run", "--log-level", "loud", bad}, []string{`found "loud"`}},
		{[]string{"bench", "--monitors", "0"}, []string{"--monitors: found 0, expected 1 or more"}},
		{[]string{"bench", "apply", "--monitors", "0"}, []string{"--monitors: found 0, expected 1 to 10000000"}},
		{[]string{"bench", "scale", "--monitors", "10,0", "--interval", "1500ms"}, []string{"--monitors: found 0", "--interval: found 1.5s"}},
		{[]string{"bench", "scale", "--silent", "101", "--timeout", "1s", "--delay", "1s", "--checks", "0"}, []string{"--silent: found 101", "--delay: found 1s", "--checks: found 0"}},
		{[]string{"bench", "workers", "--workers", "0", "--checks", "0", "--delay", "10s"}, []string{"--workers: found 0", "--checks: found 0", "--delay: found 10s"}},
		{[]string{"bench", "scale", "--interval", "60s", "--for", "90s"}, []string{"--for: found 1m30s, expected whole intervals of 1m0s"}},
	}
	for _, c := range cases {
		stdout, stderr, code := execute(t, c.args...)
		if code != cli.ExitUsage || stdout != "" {
			t.Errorf("%v: got code %d and %q on stdout, want %d and nothing", c.args, code, stdout, cli.ExitUsage)
		}
		for _, want := range c.says {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: got %q, want %q in it", c.args, stderr, want)
			}
		}
	}
}

func TestValidateAcceptsTheDemo(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := execute(t, "validate", filepath.Join("..", "..", "testdata", "demo.yaml"))
	if code != cli.ExitOK || !strings.Contains(stdout, "2 monitors, 1 recipient") || stderr != "" {
		t.Errorf("got %d %q %q", code, stdout, stderr)
	}
}

func TestMistakesInExpectationsAreReportedWithTheirLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "monitors.yaml")
	text := "monitors:\n  - name: a\n    http: http://example.org\n    expect:\n      - status == 200\n      - statsu == 200\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := execute(t, "validate", file); code != cli.ExitUsage || !strings.Contains(stderr, ":6:9: monitors[0].expect[1]") {
		t.Errorf("got %d %s, want the line of the expression", code, stderr)
	}
}

func TestHelpHasExamplesForEveryCommand(t *testing.T) {
	t.Parallel()
	for _, cmd := range rootCommand(&bytes.Buffer{}, &bytes.Buffer{}).Commands() {
		if !cmd.Hidden && (cmd.Example == "" || cmd.Long == "" || cmd.Short == "") {
			t.Errorf("%s: got no example or no description, want both", cmd.Name())
		}
	}
	if stdout, _, code := execute(t); code != cli.ExitOK || !strings.Contains(stdout, "Usage:") {
		t.Errorf("got %d %s, want the help", code, stdout)
	}
	if stdout, _, code := execute(t, "completion", "bash"); code != cli.ExitOK || !strings.Contains(stdout, "__start_vedette") {
		t.Errorf("got %d, want a completion script", code)
	}
}
