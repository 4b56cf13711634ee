// Package producer puts jobs into the pipeline: the scheduler turns the
// clock's ticks into the checks that are due, and Apply turns a monitor file
// into stored definitions.
//
// Schedulers are stateless but for a table of monitors, and any number of them
// may run: whichever takes a tick publishes what is due. There is no leader.
package producer
