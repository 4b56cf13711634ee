package signals

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// KeepRunning keeps two signals from ending a command that runs until it is
// stopped: a SIGHUP that arrives before the command can read its file, and the
// SIGPIPE for output to a pipe whose reader has gone. Other commands end.
func KeepRunning(args []string) (stop func()) {
	if len(args) == 0 || !slices.Contains([]string{"run", "worker", "server"}, args[0]) {
		return func() {}
	}
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGHUP, syscall.SIGPIPE)
	return func() { signal.Stop(ignored) }
}

// Hangups receives the process's SIGHUPs from now on. One that arrives while
// another is handled waits; further ones are the same request.
func Hangups() (received <-chan os.Signal, stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups, func() { signal.Stop(hangups) }
}
