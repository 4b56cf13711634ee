package main

import (
	"io"
	"time"
)

// progressPause is for how long nothing is said: most files are applied before
// anybody could read it.
const progressPause = 2 * time.Second

// progress tells people how far the writing of many definitions is.
func progress(stderr io.Writer, now func() time.Time) func(written, all int) {
	said := now()
	return func(written, all int) {
		if at := now(); at.Sub(said) >= progressPause {
			said = at
			say(stderr, "stored %d of %d definitions\n", written, all)
		}
	}
}
