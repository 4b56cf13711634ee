package faultsoak

import (
	"context"
	"time"

	"vedette/pipeline/job"
)

// fault is one fault that can be injected.
type fault struct {
	name string
	what string // for people
	// hold is how long the fault lasts. Zero means until it was noticed and
	// reported, or these limits have passed.
	hold time.Duration
	// begin and end inject the fault and end its cause.
	begin, end func(ctx context.Context, w *world) error
	// monitor is the one whose checks must go on after the fault.
	monitor string
	// shown is false for a fault that is not one of Vedette: neither /readyz nor
	// doctor shows it.
	shown bool
	// at is the process whose /readyz is read; nil means the instance.
	at func(w *world) *process
	// mail are words in the mail that reports the fault, to whom it goes; empty
	// means that the watchdog reports it, or nothing does.
	mail []string
	to   string
	// watchdog is true if the watchdog's receiver may report the fault.
	watchdog bool
	// unreported says why people do not hear of the fault; empty if they must.
	unreported string
	// after, if set, must hold some time after the fault ended, such as a mail that
	// says so.
	after func(w *world, began time.Time) bool
	// starts is how often the fault starts the instance again.
	starts int
	// needs returns why the fault cannot be injected here.
	needs func(w *world) error
}

// all returns the faults, in the order in which they are injected.
func all() []fault {
	return append(append(processFaults(), mailFaults()...), append(storageFaults(), otherFaults()...)...)
}

// names returns the names of all faults.
func names() []string {
	var found []string
	for _, f := range all() {
		found = append(found, f.name)
	}
	return found
}

// leftOut are faults that this soak cannot inject, and why.
func leftOut() []string {
	return []string{"clock stepped: needs a special build; the tests have one"}
}

// condition is a word in the mail about a condition that has failed.
func condition(name job.ProcessConditionName) []string {
	return []string{string(name) + " of process", "failed"}
}
