package cli

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressIsPrintedAtMostOnceForEachPause(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var printed bytes.Buffer
	progress := Progress(&printed, func() time.Time { return now })
	for i, pause := range []time.Duration{time.Second, time.Second, time.Second, 5 * time.Second, 0} {
		now = now.Add(pause)
		progress.Progress(10*(i+1), 50)
	}
	if want := "stored 20 of 50 definitions\nstored 40 of 50 definitions\n"; printed.String() != want {
		t.Errorf("got %q, want %q", printed.String(), want)
	}
}

func TestReadingAndComparingPrintProgress(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	var printed bytes.Buffer
	read, compared := readProgress(&printed, "many.yaml", clock), Progress(&printed, clock).Compared
	read(1)
	compared(2)
	now = now.Add(progressPause)
	read(3)
	compared(4)
	if want := "read 3 monitors in many.yaml\ncompared 4 stored definitions\n"; printed.String() != want {
		t.Errorf("got %q, want %q", printed.String(), want)
	}
}
