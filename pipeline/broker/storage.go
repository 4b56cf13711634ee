package broker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vedette/pipeline/job"
)

// probeFile is written and removed to see whether the directory can be written. The
// server's files are one level below.
const probeFile = "probe"

// CheckDirectory writes a file with the given size to the directory with the
// server's data, syncs and removes it. It also finds that hardly any file
// descriptors are left, with which the server could not start. The error is a [*job.ConditionError]. It blocks
// for as long as the disk does.
func (b *Broker) CheckDirectory(size int) error {
	dir, shown := b.storeDir, b.dir
	found, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &job.ConditionError{Reason: job.FaultDataRemoved, Detail: "the data directory " + shown + " was removed", Err: err}
	case err == nil && !os.SameFile(found, b.directory):
		return &job.ConditionError{Reason: job.FaultDataRemoved, Detail: "the data directory " + shown + " was replaced by another one", Err: os.ErrNotExist}
	case err == nil:
		err = writeProbe(filepath.Join(dir, probeFile), size)
	}
	if err == nil {
		err = spareDescriptors(dir)
	}
	if err != nil {
		return directoryError(shown, err)
	}
	return nil
}

func writeProbe(path string, size int) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, ownerOnly) //nolint:gosec // in the data directory
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(path)) }()
	_, err = file.Write(make([]byte, size))
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// minDescriptors is how many file descriptors should be free. A restart of the
// server needs some at once, and frees as many before.
const minDescriptors = 16

// spareDescriptors opens the directory often enough to see that.
func spareDescriptors(dir string) error {
	var files []*os.File
	defer func() {
		for _, file := range files {
			_ = file.Close() // was not written
		}
	}()
	for range minDescriptors {
		file, err := os.Open(dir) //nolint:gosec // the data directory
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	return nil
}

// directoryError finds the reason for an error, and words for people.
func directoryError(dir string, err error) *job.ConditionError {
	at := " with the data directory " + dir
	for _, known := range []struct {
		err    error
		reason job.ProcessConditionReason
		detail string
	}{
		{syscall.ENOSPC, job.FaultDiskFull, "the disk" + at + " is full" + roomText(dir)},
		{syscall.EDQUOT, job.FaultDiskFull, "the quota on the disk" + at + " is used up"},
		{syscall.EROFS, job.FaultReadOnly, "the file system" + at + " is read-only"},
		{syscall.EACCES, job.FaultNoPermission, "the process may not write in the data directory " + dir},
		{syscall.EPERM, job.FaultNoPermission, "the process may not write in the data directory " + dir},
		{syscall.EMFILE, job.FaultNoDescriptors, fmt.Sprintf("the process has fewer than %d file descriptors left", minDescriptors) + limitText()},
		{syscall.ENFILE, job.FaultNoDescriptors, "the machine has no file descriptor left"},
		{syscall.EIO, job.FaultDiskError, "the disk" + at + " reports I/O errors"},
	} {
		if errors.Is(err, known.err) {
			return &job.ConditionError{Reason: known.reason, Detail: known.detail, Err: err}
		}
	}
	return &job.ConditionError{Reason: job.FaultDiskError, Detail: fmt.Sprintf("the data directory %s cannot be written: %v", dir, err), Err: err}
}

// roomText says how much room there is: a disk can be full with room that is
// reserved for root, or without inodes.
func roomText(dir string) string {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil || stat.Bsize <= 0 {
		return ""
	}
	if stat.Files > 0 && stat.Ffree == 0 {
		return ": it has no inode left"
	}
	size := uint64(stat.Bsize)
	return fmt.Sprintf(": %d KiB of %d MiB are free", stat.Bavail*size>>10, stat.Blocks*size>>20)
}

func limitText() string {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return ""
	}
	return fmt.Sprintf(", its limit is %d", limit.Cur)
}

// readyPatience is how long a server on a busy machine may take to say that it
// accepts connections.
const readyPatience = 2 * time.Second

// CheckStreams returns what keeps the server from storing messages, or nil. The
// server keeps a write error: after it, a stream stores nothing until the server
// is started again, whatever becomes of the disk, and publishers get no answer.
//
// The server itself is asked, in the process, and not by a message in each stream:
// it knows of a broken stream from the first write that failed, without a message
// that a consumer could take for a job.
func (b *Broker) CheckStreams() error {
	running := b.current()
	status := running.Healthz(&server.HealthzOptions{Details: true})
	disabled := server.NewJSNotEnabledError().Error()
	var broken []string
	for _, found := range status.Errors {
		switch {
		case found.Error == disabled:
			return errors.New("the NATS server has stopped storing anything: it was not allowed to write")
		case found.Type == server.HealthzErrorConn: // it looked for a millisecond only
			if !running.ReadyForConnections(readyPatience) {
				return fmt.Errorf("the NATS server does not run: %w", errors.New(found.Error))
			}
		case strings.Contains(found.Error, "write error"):
			broken = append(broken, found.Stream)
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return fmt.Errorf("the NATS server refuses to store messages in %s after a write error", streamNames(broken))
}

// maxNames is how many streams an error names.
const maxNames = 3

func streamNames(broken []string) string {
	if more := len(broken) - maxNames; more > 0 {
		return strings.Join(broken[:maxNames], ", ") + fmt.Sprintf(" and %d more streams", more)
	}
	return strings.Join(broken, ", ")
}
