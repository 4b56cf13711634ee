package cli

import (
	"bytes"
	"testing"
	"time"
)

func TestProgressIsToldWhenItTakesLongAndNotTooOften(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var said bytes.Buffer
	tell := Progress(&said, func() time.Time { return now })
	for i, pause := range []time.Duration{time.Second, time.Second, time.Second, 5 * time.Second, 0} {
		now = now.Add(pause)
		tell.Progress(10*(i+1), 50)
	}
	if want := "stored 20 of 50 definitions\nstored 40 of 50 definitions\n"; said.String() != want {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}

func TestProgressOfReadingAndComparingIsTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	var said bytes.Buffer
	read, compared := readProgress(&said, "many.yaml", clock), Progress(&said, clock).Compared
	read(1)
	compared(2)
	now = now.Add(progressPause)
	read(3)
	compared(4)
	if want := "read 3 monitors of many.yaml\ncompared 4 definitions that are stored\n"; said.String() != want {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}
