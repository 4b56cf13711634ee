package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

func TestMailSendAndLog(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	r := newInstance(t, fmt.Sprintf(`
mail: {from: vedette@example.org, relays: [%s], allow_recipients: ['*@example.org']}
monitors: []
`, box.Relay()))
	r.start()
	r.ready()
	file := filepath.Join(r.dir, "report.csv")
	if err := os.WriteFile(file, []byte("a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	output, code := r.vedette("mail", "send", "--to", "a@example.org", "--to", "b@example.org", "--cc", "c@example.org", "--subject", "[REPORT] of today",
		"--text", "See below.", "--header", "X-Ticket: 7", "--attach", file, "--reply-to", "help@example.org", "--id", "report1")
	if code != 0 || strings.Count(output, "accepted by ") != 3 {
		t.Fatalf("got %d %s, want three mails accepted", code, output)
	}
	for _, to := range []string{"a@example.org", "b@example.org", "c@example.org"} {
		if got := box.Count(to, "[REPORT]"); got != 1 {
			t.Errorf("%s: got %d mails, want 1", to, got)
		}
	}
	if !box.Holds("To: <a@example.org>, <b@example.org>", "Cc: <c@example.org>", "Reply-To: <help@example.org>", "X-Ticket: 7", `filename=report.csv`) {
		t.Error("got no mail with all fields")
	}
	// Repeating the command with the same id sends nothing.
	if output, code := r.vedette("mail", "send", "--to", "a@example.org", "--to", "b@example.org", "--cc", "c@example.org", "--subject", "[REPORT] of today", "--text", "x", "--id", "report1"); code != 0 {
		t.Errorf("got %d %s, want no error", code, output)
	}
	if got := len(box.All()); got != 3 {
		t.Errorf("got %d mails, want no more than three", got)
	}
	if output, code := r.vedette("mail", "send", "--to", "x@example.com", "--subject", "s", "--text", "t"); code != cli.ExitFound || !strings.Contains(output, "not sent (forbidden)") {
		t.Errorf("got %d %s, want it forbidden", code, output)
	}
	if output, code := r.vedette("mail", "send", "--async", "--to", "a@example.org", "--subject", "[LATER] s", "--text", "t"); code != 0 || !strings.Contains(output, "stored") {
		t.Errorf("got %d %s, want it stored", code, output)
	}
	eventually(t, "the mail sent with --async", func() bool { return box.Count("a@example.org", "[LATER]") == 1 })
	box.Refuse(true)
	if output, code := r.vedette("mail", "send", "--wait", "1s", "--to", "a@example.org", "--subject", "[PENDING] s", "--text", "t", "--id", "p1"); code != cli.ExitFound || !strings.Contains(output, "vedette outcome mail p1") {
		t.Errorf("got %d %s, want it pending", code, output)
	}
	if output, code := r.vedette("mail", "send", "--to", "gone@example.org", "--subject", "s", "--text", "t"); code != cli.ExitFound || !strings.Contains(output, "not sent (permanent)") {
		t.Errorf("got %d %s, want it refused for good", code, output)
	}
	output, code = r.vedette("mail", "log")
	if code != 0 || strings.Count(output, "  sent ") != 4 || strings.Count(output, "  deferred ") != 1 || strings.Count(output, "  failed ") != 2 || !strings.Contains(output, "come back later") {
		t.Errorf("got %d %s, want four mails sent, one deferred, and two failed", code, output)
	}
	for _, want := range []string{`gone@example\.org +s +dead letter \d+ `, `a@example\.org +\[PENDING\] s +attempt at \d`, `x@example\.com +s +dead letter \d+ .*forbidden`} {
		if !regexp.MustCompile(want).MatchString(output) {
			t.Errorf("got %s, want a line like %s", output, want)
		}
	}
	box.Refuse(false)
	eventually(t, "the mail that was pending", func() bool { return box.Count("a@example.org", "[PENDING]") == 1 })
	r.stop()
}

func TestMailSendListsAllMistakes(t *testing.T) {
	t.Parallel()
	_, stderr, code := vedette(t, "mail", "send", "--text", "t", "--header", "nonsense", "--attach", "/nowhere/x", "--html", "/nowhere/y")
	for _, want := range []string{"read --to: found none", `found "nonsense"`, "/nowhere/x", "/nowhere/y"} {
		if code != cli.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("got %d %s, want %q in it", code, stderr, want)
		}
	}
}

func TestMailTestExplainsRelayErrors(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	host, port, err := net.SplitHostPort(box.Address)
	if err != nil {
		t.Fatal(err)
	}
	try := func(relay string, more ...string) (string, int) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "m.yaml")
		if err := os.WriteFile(path, []byte("mail: {from: vedette@example.org, relays: ["+relay+"]}\nmonitors: []\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, _, code := vedette(t, append([]string{"mail", "test", path}, more...)...)
		return stdout, code
	}
	output, code := try(box.Relay(), "--to", "you@example.org")
	for _, want := range []string{box.Address, "clear text", "PIPELINING", "accepted      250 2.0.0 OK"} {
		if code != 0 || !strings.Contains(output, want) {
			t.Errorf("got %d %s, want %q in it", code, output, want)
		}
	}
	if box.Count("you@example.org", "[VEDETTE]") != 1 {
		t.Error("got no mail")
	}
	box.Refuse(true)
	address := fmt.Sprintf("host: %s, port: %s", host, port)
	for relay, want := range map[string]string{
		box.Relay(): "451 4.3.0 come back later", "{" + address + "}": "does not offer STARTTLS",
		"{" + address + ", tls: none, username: u, password: p, allow_cleartext: true}": "offers no supported login",

		"{host: 127.0.0.1, port: 1}": "check the host, and whether this machine may connect to the port",
	} {
		if output, code := try(relay, "--to", "you@example.org"); code != cli.ExitFound || !strings.Contains(output, "cannot be used") || !strings.Contains(output, want) {
			t.Errorf("%s: got %d %s, want %q in it", relay, code, output, want)
		}
	}
	output, code = try(box.Relay(), "--json")
	if code != 0 || !strings.Contains(output, `"extensions":["PIPELINING"`) {
		t.Errorf("got %d %s, want JSON", code, output)
	}
}
