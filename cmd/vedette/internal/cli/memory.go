package cli

import (
	"os"
	"runtime/debug"
)

const (
	// manyMonitors is the number from which memory matters more than time.
	manyMonitors = 50_000
	// garbagePercent is GOGC for that many: a million monitors at half a kilobyte
	// each stay below one, for a tenth of the processor. At 60 a monitor takes
	// 1.1 KB, and garbage collection a fifteenth.
	garbagePercent = 42
)

// ReleaseMemory returns the memory that reading definitions took to the system.
// With many monitors it also limits garbage from now on.
func ReleaseMemory(monitors int) {
	if monitors >= manyMonitors {
		limitGarbage()
	}
	debug.FreeOSMemory()
}

// limitGarbage lowers GOGC, unless the user has set it.
func limitGarbage() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
}
