package e2e_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// guarded is a web server that requires the token, and returns what it received.
type guarded struct {
	*httptest.Server

	token atomic.Pointer[string]
}

func newGuarded(t *testing.T, token string) *guarded {
	t.Helper()
	g := &guarded{}
	g.token.Store(&token)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+*g.token.Load() && !strings.Contains(r.URL.Path, *g.token.Load()) {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"), r.URL.Path)
	}))
	t.Cleanup(g.Close)
	return g
}

const guardedFile = `recipients: {oncall: you@example.org}
operators: [oncall]
notifications: {group_wait: 0s, group_interval: 0s}
defaults: {interval: 1s, failure_threshold: 1, success_threshold: 1, notify: [oncall]}
monitors:
  - {name: guarded, http: {url: "%[1]s", bearer_token: "${secret:TOKEN}"}}
  - {name: hook, http: "%[1]s/hook/${secret:TOKEN}"}
  - {name: echoed, http: {url: "%[1]s/echo", bearer_token: "${secret:TOKEN}"}, expect: 'body == "nothing"'}
  - {name: path, http: "%[1]s/${secret:TOKEN}", expect: 'body == "nothing"'}
  - {name: variable, http: {url: "%[1]s/echo", bearer_token: "${secret:other-token}"}, expect: 'body.contains("no such thing")'}
  - {name: lost, http: {url: "%[1]s", bearer_token: "${secret:NONE}"}}
`

func TestSecretsReachOnlyTheTarget(t *testing.T) {
	t.Parallel()
	first, second, variable := "hunter-one-4711", "hunter-two-4712", "hunter-of-the-environment"
	g := newGuarded(t, first)
	r := newInstance(t, fmt.Sprintf(guardedFile, g.URL))
	dir := filepath.Join(r.dir, "secrets")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(value string) {
		if err := os.WriteFile(filepath.Join(dir, "TOKEN"), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(first)
	r.env = []string{"VEDETTE_SECRET_OTHER_TOKEN=" + variable}
	r.start("--secrets", dir, "--log-level", "debug")
	r.ready()
	output, _ := r.vedette("env")
	client := natsClient(t, strings.TrimSpace(strings.TrimPrefix(output, "export NATS_URL=")))
	heard := client.overhear()
	healths := func(want map[string]string) {
		t.Helper()
		for monitor, health := range want {
			eventually(t, monitor+" "+health, func() bool { return r.health(monitor) == health })
		}
	}
	healths(map[string]string{"guarded": "up", "hook": "up", "echoed": "down", "variable": "down"})

	g.token.Store(&second) // and the file has the old one
	healths(map[string]string{"guarded": "down", "hook": "down"})
	put(second)
	healths(map[string]string{"guarded": "up", "hook": "up"})

	explained := ""
	for monitor, says := range map[string]string{
		"hook": "/hook/${secret:TOKEN}", "echoed": "****", "path": `"/****"`, "variable": "****",
		"lost": "read secret NONE: found neither the file " + filepath.Join(dir, "NONE") + " nor the variable VEDETTE_SECRET_NONE",
	} {
		eventually(t, monitor+" explained with "+says, func() bool {
			explained, _ = r.vedette("explain", monitor)
			return strings.Contains(explained, says)
		})
		assertNone(t, "vedette explain "+monitor, explained, first, second, variable)
	}
	if got := r.health("lost"); got == "down" {
		t.Errorf("got %s for a monitor whose secret is unknown, want anything but down", got)
	}
	refused, code := r.vedette("enqueue", "check", g.URL+"/${secret:TOKEN}")
	if code == cli.ExitOK || !strings.Contains(refused, "only monitors may use secrets") {
		t.Errorf("got %q and code %d for a job that refers to a secret, want it refused", refused, code)
	}
	page, _ := r.get("/")
	status, _ := r.get("/status.json")
	assertNone(t, "the status page", page+status, first, second, variable)
	stored := client.stored()
	for _, subject := range []string{"$KV.VEDETTE_MONITOR.monitor.hook", "$KV.VEDETTE_STATE.echoed", "vedette.result."} {
		if !strings.Contains(stored, subject) {
			t.Errorf("got nothing stored under %s, want the search to cover all subjects", subject)
		}
	}
	assertNone(t, "the streams and buckets", stored, first, second, variable)
	if !strings.Contains(heard.String(), "vedette.check.default.guarded") || !strings.Contains(heard.String(), "${secret:TOKEN}") {
		t.Error("got no check with its reference, want the recording to have all messages")
	}
	assertNone(t, "what was said on the server", heard.String(), first, second, variable)
	r.stop()
	assertNone(t, "the log", r.output.String(), first, second, variable)
	if !strings.Contains(r.output.String(), "warning: read secret NONE: found neither") {
		t.Error("got no warning about the missing secret, want one at the start")
	}
	assertNone(t, "the data directory", filesBelow(t, filepath.Join(r.dir, "vedette-data")), first, second, variable)
}

// assertNone fails the test for each secret in a text, in all forms that the
// test's server uses.
func assertNone(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s: got a secret, want none: …%q…", where, text[max(0, at-200):min(len(text), at+50)])
			}
		}
	}
}

// filesBelow returns the content of all files in a directory, which includes deleted
// messages.
func filesBelow(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = io.Copy(&all, file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(all.String(), "${secret:TOKEN}") {
		t.Error("got no reference in the files, want them in the stream files")
	}
	return all.String()
}

func TestCheckCommandResolvesSecrets(t *testing.T) {
	t.Setenv("VEDETTE_SECRET_HOOK", "hunter-of-the-environment")
	g := newGuarded(t, "hunter-of-the-environment")
	dir := t.TempDir()
	if stdout, stderr, code := vedette(t, "check", "--secrets", dir, g.URL+"/${secret:HOOK}"); code != cli.ExitOK || strings.Contains(stdout+stderr, "hunter") || !strings.Contains(stdout, "${secret:HOOK}") {
		t.Errorf("got code %d, %q and %q, want up, and the reference shown", code, stdout, stderr)
	}
	if stdout, _, code := vedette(t, "check", "--secrets", dir, g.URL+"/${secret:NONE}"); code != cli.ExitFailed || !strings.Contains(stdout, "could not be checked") || !strings.Contains(stdout, filepath.Join(dir, "NONE")) {
		t.Errorf("got code %d and %q, want that the check was impossible", code, stdout)
	}
	for _, c := range [][]string{
		{"check", "--secrets", filepath.Join(dir, "none"), g.URL}, {"run", "--secrets", filepath.Join(dir, "none"), "../../../testdata/demo.yaml"},
	} {
		if _, stderr, code := vedette(t, c...); code != cli.ExitUsage || !strings.Contains(stderr, "no such file") || !strings.Contains(stderr, "hint: set --secrets to a directory") {
			t.Errorf("%v: got code %d and %q, want a hint", c, code, stderr)
		}
	}
}
