package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

func TestBenchWorkersPrintsARowForEachNumber(t *testing.T) {
	t.Parallel()
	output, code := newInstance(t, "").vedette("bench", "workers", "--workers", "1,2", "--checks", "2", "--delay", "100ms", "--interval", "2s", "--for", "2s")
	if code != cli.ExitOK {
		t.Fatalf("got code %d: %s", code, output)
	}
	if !strings.HasPrefix(output, "101 monitors every 2s, targets that take 100ms, 2 slots in each worker, ") {
		t.Errorf("got %s, want what was measured", output)
	}
	for _, row := range []string{`(?m)^ +1 +[1-9]\d* +1\.00 +\d+ % +\d`, `(?m)^ +2 +[1-9]\d* +\d+\.\d\d +\d+ % +\d`} {
		if !regexp.MustCompile(row).MatchString(output) {
			t.Errorf("got %s, want a row like %s", output, row)
		}
	}
}
