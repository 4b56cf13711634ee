package e2e_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// benchSilent runs the benchmark with 20 % silent targets and returns its output.
func benchSilent(t *testing.T, checks int) string {
	t.Helper()
	output, code := newInstance(t, "").vedette("bench", "scale", "--monitors", "100", "--interval", "5s", "--for", "5s",
		"--silent", "20", "--timeout", "2s", "--checks", strconv.Itoa(checks))
	if code != cli.ExitOK {
		t.Fatalf("got code %d: %s", code, output)
	}
	return output
}

func TestSilentTargetsDelayNoHealthyCheckWithEnoughSlots(t *testing.T) {
	t.Parallel()
	output := benchSilent(t, 64)
	for _, want := range []string{
		"healthy monitors      80 of 80 slots checked; missed 0;", "silent monitors       20 of 20 slots checked; missed 0;",
		"4 a second for 2s and 16 for ", "; 64 given\n",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("got %s, want %q in it", output, want)
		}
	}
}

func TestSilentTargetsWithTooFewSlotsCauseMissesWithAReason(t *testing.T) {
	t.Parallel()
	output := benchSilent(t, 2) // the silent ones alone need eight
	if !strings.Contains(output, "; 2 given\n") {
		t.Errorf("got %s, want the given slots", output)
	}
	if !regexp.MustCompile(`slots missed +[1-9]\d* \(`).MatchString(output) || strings.Contains(output, "neither a result nor a reason") {
		t.Errorf("got %s, want misses, each with its reason", output)
	}
}
