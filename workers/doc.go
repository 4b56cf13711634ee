// Package workers processes the jobs in the pipeline. It connects the packages
// below it (check, evaluate, notify, mail) to the streams, and defines the
// supervision tree.
//
// Those packages know no queue. Each works on values, behind its own interfaces,
// and can be read, tested and used alone.
package workers
