package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// total returns the time since the machine started, with its sleep, and whether
// the operating system has a clock for that.
func total() (time.Duration, bool) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, false // before Linux 2.6.39
	}
	return time.Duration(t.Nano()), true
}
