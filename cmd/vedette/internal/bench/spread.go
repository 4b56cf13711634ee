package bench

import (
	"fmt"
	"math/bits"
	"time"
)

// spread counts durations in constant memory: each power of two in
// microseconds has 32 cells with equal width, so every quantile is accurate to
// three percent.
type spread struct {
	counts [spreadOctaves * spreadParts]uint32
	n      int
	max    time.Duration
}

const (
	spreadParts   = 32
	spreadOctaves = 40 // up to twelve days
	spreadShift   = 5  // log2(spreadParts)
)

func (s *spread) add(d time.Duration) {
	s.counts[spreadCell(d)]++
	s.n++
	s.max = max(s.max, d)
}

// spreadCell returns the cell for a duration. Below 32 µs each microsecond has
// its own.
func spreadCell(d time.Duration) int {
	value := uint64(max(0, d.Microseconds()))
	octave := max(0, bits.Len64(value)-spreadShift-1)
	cell := octave*spreadParts + int(value>>octave) //nolint:gosec // below 64
	return min(cell, spreadOctaves*spreadParts-1)
}

// spreadEnd returns the longest duration in a cell.
func spreadEnd(cell int) time.Duration {
	octave := max(0, cell/spreadParts-1)
	return time.Duration((cell-octave*spreadParts+1)<<octave-1) * time.Microsecond
}

// quantile returns the shortest duration that the share q does not exceed, and
// zero for an empty spread.
func (s *spread) quantile(q float64) time.Duration {
	left := int(q*float64(s.n) + 0.5)
	for cell, count := range &s.counts {
		if left -= int(count); left <= 0 && count > 0 {
			return min(s.max, spreadEnd(cell))
		}
	}
	return s.max
}

// String returns the usual quantiles.
func (s *spread) String() string {
	return fmt.Sprintf("p50 %s, p99 %s, max %s", rounded(s.quantile(0.5)), rounded(s.quantile(0.99)), rounded(s.max))
}

// rounded rounds a duration to two to five digits.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second / 10)
	case d >= time.Millisecond:
		return d.Round(time.Millisecond)
	default:
		return d.Round(time.Microsecond)
	}
}
