package pipelinetest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Patience bounds the wait for an event that must come; only failing tests
// spend it.
const Patience = time.Minute

// Receive returns the next value from a channel.
func Receive[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(Patience):
		tb.Fatalf("got nothing for %s, want %s", Patience, what)
		panic("unreachable")
	}
}

// Eventually waits until something holds that the server does not announce.
func Eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			tb.Fatalf("got no change for %s, want %s", Patience, what)
		case <-poll.C:
		}
	}
}

// VerifyMain runs a package's tests, which must leave no goroutine behind.
func VerifyMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// nats-server keeps these for the life of the process.
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*ipQueue[...]).poolPut"),
	)
}
