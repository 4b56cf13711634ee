package main

import (
	"os"
	"runtime/debug"
)

const (
	// leanFrom is from how many monitors on memory is what counts.
	leanFrom = 50_000
	// leanPercent is how much garbage there may be then, in percent of what is
	// needed. Since the garbage collector does not look at monitors, collecting
	// more than twice as often as by default costs a few percent, and spares a
	// third of the memory.
	leanPercent = 40
)

// beLean gives memory back that it took to read and store the definitions, and
// with many monitors lets less garbage come together than by default. Who sets
// GOGC knows better.
func beLean(monitors int) {
	if monitors >= leanFrom && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(leanPercent)
	}
	debug.FreeOSMemory()
}
