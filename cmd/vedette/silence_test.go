package main

import (
	"testing"
	"time"
)

func TestMomentIsTheNextOfItsKind(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"18:00": now.Add(6 * time.Hour), "11:00": now.Add(23 * time.Hour), "2026-12-01T18:00:00Z": time.Date(2026, 12, 1, 18, 0, 0, 0, time.UTC),
	} {
		if got, err := parseMoment("--until", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
}
