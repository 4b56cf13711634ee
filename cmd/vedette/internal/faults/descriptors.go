package faults

import "errors"

// ErrUnsupported is returned where a fault cannot be injected.
var ErrUnsupported = errors.New("this system cannot do that to another process")

// ExhaustDescriptors lowers the limit for open files of a process, so that it can
// open no other. It keeps the ones that it has.
func ExhaustDescriptors(pid int) error { return limitDescriptors(pid, fewest) }

// RestoreDescriptors sets the limit as high as the process may.
func RestoreDescriptors(pid int) error { return limitDescriptors(pid, noLimit) }

const (
	// fewest leaves the numbers of the standard files only.
	fewest = 3
	// noLimit stands for the highest limit.
	noLimit = ^uint64(0)
)
