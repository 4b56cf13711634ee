package faults

import (
	"errors"
	"fmt"
	"os"
)

// ErrUnsupported is returned where a fault cannot be injected.
var ErrUnsupported = errors.New("this system cannot do that to another process")

// ExhaustDescriptors lowers the limit for open files of a process to the ones that
// it has, so that it can open no other.
func ExhaustDescriptors(pid int) error {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return fmt.Errorf("count open files: %w", err)
	}
	return limitDescriptors(pid, uint64(len(open)))
}

// RestoreDescriptors sets the limit as high as the process may.
func RestoreDescriptors(pid int) error { return limitDescriptors(pid, noLimit) }

// noLimit stands for the highest limit.
const noLimit = ^uint64(0)
