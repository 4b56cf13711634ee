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

// needNamespaces skips the test on systems without network namespaces, unless
// VEDETTE_NETNS is "required".
func needNamespaces(t *testing.T) (script string) {
	t.Helper()
	script, err := filepath.Abs("../../../testdata/namespaces.sh")
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(script, "check").CombinedOutput()
	if err != nil && os.Getenv("VEDETTE_NETNS") == "required" {
		t.Fatalf("network namespaces are required, but not available: %v: %s", err, output)
	}
	if err != nil {
		t.Skipf("network namespaces are not available: %v: %s", err, output)
	}
	return script
}

// A running node without a network loses nothing: its acknowledged jobs are done, no
// mail is sent twice, and work continues. The soak's own limit of 10 s for that is for
// a quiet machine: under the race detector, on two cores, 10.2 s were seen.
func TestIsolatedClusterNodesLoseNothing(t *testing.T) {
	script := needNamespaces(t) // not in parallel: other tests would delay its elections
	before := namespaces(t)
	limited, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limited, script, "run", program, "--for", "20s", "--rate", "50", "--max-pause", "45s")
	cmd.Env = append(os.Environ(), "NATS_URL=")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it has to clean up
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := cmd.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Errorf("got %v, want a balance without errors", err)
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

// namespaces returns the existing namespaces from the script.
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
