// Package faults makes faults of a machine, for tests and soaks: a disk that is
// full, read-only or emptied, and file descriptors that are used up. Each fault
// ends when the method for its end is called.
package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Disk is a small file system in memory (tmpfs) at Dir, which can be full or
// read-only for a while. It needs root on Linux: see [Available]. Its methods must
// not be called at the same time.
type Disk struct {
	// Dir is the mount point. If missing, it is created.
	Dir string
	// Size is the size in bytes.
	Size int64

	stop   chan struct{} // ends the filling; nil while the disk is not full
	filled sync.WaitGroup
	hidden bool // below a read-only mount
}

// Available returns nil if this process may mount a file system, otherwise the
// reason why it may not.
func Available() error {
	dir, err := os.MkdirTemp("", "vedette-mount-*")
	if err != nil {
		return fmt.Errorf("try to mount: %w", err)
	}
	d := &Disk{Dir: dir, Size: 1 << 20}
	err = d.Mount()
	if err == nil {
		err = d.Unmount()
	}
	return errors.Join(err, os.Remove(dir))
}

// Mount creates the file system, empty and writable.
func (d *Disk) Mount() error {
	if err := os.MkdirAll(d.Dir, ownerOnlyDirs); err != nil {
		return fmt.Errorf("mount disk: %w", err)
	}
	return run("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", d.Size), "vedette-faults", d.Dir)
}

// Unmount ends all faults and removes the file system, also while a process has
// files open there: then it goes when the last one is closed.
func (d *Disk) Unmount() error {
	return errors.Join(d.Free(), d.Writable(), run("umount", "-l", d.Dir))
}

const (
	ownerOnlyDirs = 0o700
	ownerOnly     = 0o600
	fillFile      = "fill"
	// topUp is how often a full disk is filled again with what other files gave up.
	topUp = 20 * time.Millisecond
)

// Fill fills the disk, and keeps it full until Free. Files that have begun a page
// of 4 KiB can still grow to its end.
func (d *Disk) Fill() error {
	if d.stop != nil {
		return nil
	}
	file, err := os.OpenFile(filepath.Join(d.Dir, fillFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, ownerOnly)
	if err != nil {
		return fmt.Errorf("fill disk: %w", err)
	}
	if err := fill(file); err != nil {
		return errors.Join(err, file.Close())
	}
	stop := make(chan struct{})
	d.stop = stop
	d.filled.Go(func() {
		defer func() { _ = file.Close() }() // its content does not matter
		ticker := time.NewTicker(topUp)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				_ = fill(file) // fails only if the disk was emptied
			}
		}
	})
	return nil
}

// fill writes until there is no room.
func fill(file *os.File) error {
	for size := 1 << 20; size > 0; {
		n, err := file.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC) && n == 0:
			size /= 2
		case err != nil && !errors.Is(err, syscall.ENOSPC):
			return fmt.Errorf("fill disk: %w", err)
		}
	}
	return nil
}

// Free gives the room back that Fill took.
func (d *Disk) Free() error {
	if d.stop == nil {
		return nil
	}
	close(d.stop)
	d.filled.Wait()
	d.stop = nil
	if err := os.Remove(filepath.Join(d.Dir, fillFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("free disk: %w", err)
	}
	return nil
}

// ReadOnly makes the disk read-only until Writable: a file cannot be created, or
// opened for writing. Files that are open for writing stay so, as the kernel
// refuses to change that; a process meets the fault when it opens one.
func (d *Disk) ReadOnly() error {
	if d.hidden {
		return nil
	}
	// Prepared elsewhere: a mount through which a file was opened for writing in the
	// meantime cannot become read-only.
	stage, err := os.MkdirTemp("", "vedette-read-only-*")
	if err != nil {
		return fmt.Errorf("make disk read-only: %w", err)
	}
	if err := run("mount", "--bind", d.Dir, stage); err != nil {
		return errors.Join(err, os.Remove(stage))
	}
	err = run("mount", "-o", "remount,ro,bind", stage)
	if err == nil {
		err = run("mount", "--bind", stage, d.Dir) // with the flags of the stage
		d.hidden = err == nil
	}
	return errors.Join(err, run("umount", "-l", stage), os.Remove(stage))
}

// Writable ends ReadOnly.
func (d *Disk) Writable() error {
	if !d.hidden {
		return nil
	}
	d.hidden = false
	return run("umount", "-l", d.Dir)
}

func run(name string, args ...string) error {
	cmd := exec.Command(name, args...) //nolint:gosec,noctx // mount and umount end at once
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(output)))
	}
	return nil
}

// Empty removes everything on the disk, as if another file system were mounted
// there.
func (d *Disk) Empty() error {
	entries, err := os.ReadDir(d.Dir)
	if err != nil {
		return fmt.Errorf("empty disk: %w", err)
	}
	var problems []error
	for _, entry := range entries {
		problems = append(problems, os.RemoveAll(filepath.Join(d.Dir, entry.Name())))
	}
	return errors.Join(problems...)
}
