package cli

import (
	"io"
	"time"

	"vedette/producer"
)

// progressPause is for how long nothing is said: most files are read and applied
// before anybody could read it.
const progressPause = 2 * time.Second

// throttle tells whether it is time to say something again.
func throttle(now func() time.Time) func() bool {
	said := now()
	return func() bool {
		at := now()
		if at.Sub(said) < progressPause {
			return false
		}
		said = at
		return true
	}
}

// Progress tells people how far the comparing and the writing of many definitions
// are.
func Progress(stderr io.Writer, now func() time.Time) producer.ApplyOptions {
	due := throttle(now)
	return producer.ApplyOptions{
		Compared: func(definitions int) {
			if due() {
				Writef(stderr, "compared %d definitions that are stored\n", definitions)
			}
		},
		Progress: func(written, all int) {
			if due() {
				Writef(stderr, "stored %d of %d definitions\n", written, all)
			}
		},
	}
}

// readProgress reports how many monitors of a large file are read, and has the rest
// read with less garbage.
func readProgress(stderr io.Writer, path string, now func() time.Time) func(monitors int) {
	due, lean := throttle(now), false
	return func(monitors int) {
		if !lean && monitors >= manyMonitors {
			lean = true
			limitGarbage()
		}
		if due() {
			Writef(stderr, "read %d monitors of %s\n", monitors, path)
		}
	}
}
