package cli

import (
	"io"
	"time"

	"vedette/producer"
)

// progressPause is the time between two progress lines. Most files are read and
// applied within it.
const progressPause = 2 * time.Second

// throttle returns a function that is true at most once for each pause.
func throttle(now func() time.Time) func() bool {
	last := now()
	return func() bool {
		at := now()
		due := at.Sub(last) >= progressPause
		if due {
			last = at
		}
		return due
	}
}

// Progress prints how many definitions are compared and stored.
func Progress(stderr io.Writer, now func() time.Time) producer.ApplyOptions {
	due := throttle(now)
	return producer.ApplyOptions{
		Compared: func(definitions int) {
			if due() {
				Writef(stderr, "compared %d stored definitions\n", definitions)
			}
		},
		Progress: func(written, all int) {
			if due() {
				Writef(stderr, "stored %d of %d definitions\n", written, all)
			}
		},
	}
}

// readProgress prints how many monitors in a large file are read, and limits
// garbage after the first many: reading takes the most memory.
func readProgress(stderr io.Writer, path string, now func() time.Time) func(monitors int) {
	due, limited := throttle(now), false
	return func(monitors int) {
		if !limited && monitors >= manyMonitors {
			limited = true
			limitGarbage()
		}
		if due() {
			Writef(stderr, "read %d monitors in %s\n", monitors, path)
		}
	}
}
