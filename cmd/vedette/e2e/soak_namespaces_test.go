package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needNamespaces skips a test that cannot have network namespaces, for which the
// only reason is that. Where VEDETTE_NETNS is "required" there is none.
func needNamespaces(t *testing.T) (script string) {
	t.Helper()
	script, err := filepath.Abs("../../../testdata/namespaces.sh")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(script, "check").CombinedOutput()
	if err != nil && os.Getenv("VEDETTE_NETNS") == "required" {
		t.Fatalf("network namespaces are required, and cannot be had: %v: %s", err, output)
	}
	if err != nil {
		t.Skipf("there can be no network namespaces: %v: %s", err, output)
	}
	return script
}

// A node that is cut off, and runs on, takes nothing with it: what it had
// acknowledged is done, no mail is sent twice, and work goes on within 10 s.
func TestNodesOfAClusterThatAreCutOffLoseNothing(t *testing.T) {
	script := needNamespaces(t) // not in parallel: what is measured is a pause
	before := namespaces(t)
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limited, script, "run", program, "--for", "20s", "--rate", "50")
	cmd.Env = append(os.Environ(), "NATS_URL=")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it has to tidy up
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := cmd.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Errorf("got %v, want a balance without a fault", err)
	}
	for _, want := range []string{`(?m)^lost +0$`, `(?m)^mails sent more than once +0$`, `the leader, n[123], was cut off`} {
		if !regexp.MustCompile(want).Match(output) {
			t.Errorf("got no %q in the balance", want)
		}
	}
	if after := namespaces(t); after != before {
		t.Errorf("got namespaces %q left behind, want %q", after, before)
	}
}

// namespaces are those that the script has made, and that are there now.
func namespaces(t *testing.T) string {
	t.Helper()
	output, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ours []string
	for line := range strings.Lines(string(output)) {
		if strings.HasPrefix(line, "vedette") {
			ours = append(ours, line)
		}
	}
	return strings.Join(ours, "")
}
