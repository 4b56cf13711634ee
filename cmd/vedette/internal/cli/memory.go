package cli

import (
	"os"
	"runtime/debug"
)

const (
	// manyMonitors is from how many monitors on memory is what counts.
	manyMonitors = 50_000
	// garbagePercent is how much garbage there may be then, in percent of what is
	// needed. A million monitors need half a kilobyte each, so that is what keeps
	// them below one, for a tenth of the processor; at 60, a monitor would take
	// 1.1 KB, and the garbage collector a fifteenth.
	garbagePercent = 42
)

// ReleaseMemory gives memory back that it took to read and store the definitions, and
// with many monitors lets less garbage come together than by default. Who sets
// GOGC knows better.
func ReleaseMemory(monitors int) {
	if monitors >= manyMonitors && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	debug.FreeOSMemory()
}

// limitGarbage lets less garbage come together while a large file is read: the most
// memory that reading takes is the most that the process takes.
func limitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
