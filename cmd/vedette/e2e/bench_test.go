package e2e_test

import (
	"strconv"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

func TestBenchMailComparesWaysToSend(t *testing.T) {
	t.Parallel()
	output, code := newInstance(t, "").vedette("bench", "mail", "--mails", "60", "--sessions", "1,3", "--rtt", "0s,1ms", "--limit", "10s")
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if code != cli.ExitOK || len(lines) != 2+2*2*4 || strings.Contains(output, "NaN") {
		t.Fatalf("got %d\n%s\nwant four ways for two numbers of sessions and two round trips", code, output)
	}
	for _, line := range lines[2:] {
		fields := strings.Fields(line)
		if ratio, err := strconv.ParseFloat(fields[len(fields)-1], 64); err != nil || ratio <= 0 {
			t.Errorf("got %q, want a ratio above 0 at its end", line)
		}
	}
}

func TestBenchPrintsItsFigures(t *testing.T) {
	t.Parallel()
	stdout, stderr, code := vedette(t, "bench", "--monitors", "50", "--interval", "1s", "--for", "2s")
	if code != cli.ExitOK {
		t.Errorf("got code %d: %s", code, stderr)
	}
	for _, figure := range []string{"each checked once", "results", "late by", "cost of the path", "cost of a bare loop", "ratio"} {
		if !strings.Contains(stdout, figure) {
			t.Errorf("got %s, want %s in it", stdout, figure)
		}
	}
}

func TestBenchApplyMeasuresEachStep(t *testing.T) {
	t.Parallel()
	output, code := newInstance(t, "").vedette("bench", "apply", "--monitors", "3000")
	if code != cli.ExitOK {
		t.Fatalf("got code %d: %s", code, output)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	steps := []string{
		"3000 monitors in 0.2 MB", "", "is read ", "is applied where nothing was ", "is read again ", "is applied again, and nothing written ",
		"is read with one in 1,000 changed ", "is applied with these ", "encoding/json alone reads it ",
	}
	if len(lines) != len(steps) {
		t.Fatalf("got %s, want %d lines", output, len(steps))
	}
	for i, step := range steps {
		if !strings.HasPrefix(lines[i], step) {
			t.Errorf("got line %q, want it to begin with %q", lines[i], step)
		}
		if fields := strings.Fields(lines[i]); i > 1 && (fields[len(fields)-1] != "MB" && fields[len(fields)-1] != "unknown" || !strings.Contains(lines[i], " s ")) {
			t.Errorf("got line %q, want times and memory in it", lines[i])
		}
	}
}

func TestBenchScaleChecksEverySlotOnItsGrid(t *testing.T) {
	t.Parallel()
	output, code := newInstance(t, "").vedette("bench", "scale", "--monitors", "40,80", "--interval", "1s", "--for", "2s")
	if code != cli.ExitOK {
		t.Fatalf("got code %d: %s", code, output)
	}
	for _, figure := range []string{
		"40 monitors every 1s", "80 monitors every 1s", "stored", "first check", "slots done", " of 160 that were due", "slots missed", "late by",
		"slots off their grid  0\n", "cost of the path", "cost of the targets", "cost of a bare loop", "ratio", "memory",
	} {
		if !strings.Contains(output, figure) {
			t.Errorf("got %s, want %q in it", output, figure)
		}
	}
	if strings.Contains(output, "NaN") {
		t.Errorf("got %s, want figures", output)
	}
}
