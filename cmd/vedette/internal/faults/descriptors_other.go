//go:build !linux

package faults

func limitDescriptors(int, uint64) error { return ErrUnsupported }
