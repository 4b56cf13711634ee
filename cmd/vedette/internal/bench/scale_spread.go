package bench

import (
	"math/bits"
	"time"
)

// spread counts durations in a fixed amount of memory: of each power of two of
// microseconds, 32 parts of equal width. So a quantile is right to three
// percent, whatever was counted.
type spread struct {
	counts [spreadOctaves * spreadParts]uint32
	n      int
	max    time.Duration
}

const (
	spreadParts   = 32
	spreadOctaves = 40 // up to twelve days
	spreadShift   = 5  // the power of two that spreadParts is
)

func (s *spread) add(d time.Duration) {
	s.counts[spreadCell(d)]++
	s.n++
	s.max = max(s.max, d)
}

// spreadCell numbers the parts: below 32 µs each microsecond is one.
func spreadCell(d time.Duration) int {
	value := uint64(max(0, d.Microseconds()))
	octave := max(0, bits.Len64(value)-spreadShift-1)
	cell := octave*spreadParts + int(value>>octave) //nolint:gosec // below 64
	return min(cell, spreadOctaves*spreadParts-1)
}

// spreadEnd is the longest duration of a part.
func spreadEnd(cell int) time.Duration {
	octave := max(0, cell/spreadParts-1)
	return time.Duration((cell-octave*spreadParts+1)<<octave-1) * time.Microsecond
}

// quantile is the duration that the share q of all was no longer than; zero of
// none.
func (s *spread) quantile(q float64) time.Duration {
	left := int(q*float64(s.n) + 0.5)
	for cell, count := range &s.counts {
		if left -= int(count); left <= 0 && count > 0 {
			return min(s.max, spreadEnd(cell))
		}
	}
	return s.max
}
