// Package workers takes jobs out of the pipeline: it wires what the packages
// below it can do (check, evaluate, notify, mail) to the streams, and says
// what restarts what.
//
// The packages below know no queue. Each is a set of functions of values
// behind interfaces of its own, and can be read, tested and used alone.
package workers
