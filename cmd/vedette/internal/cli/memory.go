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

// leanFile is from how many bytes on a file is read as leanly: one of so many has
// tens of thousands of monitors.
const leanFile = 4 << 20

// readLean has a large file read without letting much garbage come together: what
// reading takes at most is what the whole process takes at most.
func readLean(path string) {
	if info, err := os.Stat(path); err == nil && info.Size() >= leanFile && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(leanPercent)
	}
}
