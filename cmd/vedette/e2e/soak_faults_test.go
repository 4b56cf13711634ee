package e2e_test

import (
	"flag"
	"regexp"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// 'vedette soak faults' with all faults takes minutes, so it only runs on demand:
// go test ./cmd/vedette/e2e -run AllFaults -faults 5m.
var faultsFor = flag.Duration("faults", 0, "length of the soak with all faults; none by default")

// The limits are generous: other tests use the same two cores.
func TestFaultsAreNoticedReportedAndHealed(t *testing.T) {
	t.Parallel()
	output, code := newInstance(t, "").within(10*patience, "soak", "faults", "--for", "1s", "--only", "killed,relays-away",
		"--noticed", "90s", "--reported", "3m", "--healed", "1m", "--drain", "3m")
	if code != cli.ExitOK {
		t.Errorf("got exit code %d, want 0", code)
	}
	for _, row := range []string{
		`(?m)^killed +1\d\.\ds +\d+\.\ds no answer .* watchdog silent +\d+\.\ds +[1-9]`,
		`(?m)^relays-away .*mail: relay.* fault mail.* +\d+\.\ds watchdog /fail +\d+\.\ds`,
		`(?m)^mails acknowledged \d+, arrived \d+, lost 0, sent twice 0`,
	} {
		if !regexp.MustCompile(row).MatchString(output) {
			t.Errorf("got no row %s, want one", row)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

func TestAllFaultsAreNoticedReportedAndHealed(t *testing.T) {
	t.Parallel()
	if *faultsFor == 0 {
		t.Skip("takes minutes: set the length with -faults")
	}
	output, code := newInstance(t, "").within(*faultsFor+40*patience, "soak", "faults", "--for", faultsFor.String())
	t.Log(output)
	if code != cli.ExitOK {
		t.Errorf("got exit code %d, want 0", code)
	}
}

func TestSoakOfFaultsRefusesUnknownFaults(t *testing.T) {
	t.Parallel()
	_, stderr, code := vedette(t, "soak", "faults", "--only", "flood")
	if code != cli.ExitUsage || !strings.Contains(stderr, `read --only: found flood, expected one of target-gone, killed`) {
		t.Errorf("got %d %s, want the names of the faults", code, stderr)
	}
}
