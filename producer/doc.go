// Package producer puts jobs into the pipeline. [Scheduler] turns clock ticks
// into checks that are due, [Apply] stores the definitions from a monitor file,
// and [Client] enqueues ad-hoc checks and mails.
//
// A scheduler has no state except a table of monitors. Any number of schedulers
// may run without a leader: the one that receives a tick publishes its checks.
package producer
