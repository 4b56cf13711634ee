package cli

import (
	"os"
	"runtime/debug"
)

const (
	// leanFrom is from how many monitors on memory is what counts.
	leanFrom = 50_000
	// leanPercent is how much garbage there may be then, in percent of what is
	// needed. A million monitors need half a kilobyte each, so that is what keeps
	// them below one, for a tenth of the processor; at 60, a monitor would take
	// 1.1 KB, and the garbage collector a fifteenth.
	leanPercent = 42
)

// BeLean gives memory back that it took to read and store the definitions, and
// with many monitors lets less garbage come together than by default. Who sets
// GOGC knows better.
func BeLean(monitors int) {
	if monitors >= leanFrom && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(leanPercent)
	}
	debug.FreeOSMemory()
}

// readLean lets less garbage come together while a large file is read: the most
// memory that reading takes is the most that the process takes.
func readLean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(leanPercent)
	}
}
