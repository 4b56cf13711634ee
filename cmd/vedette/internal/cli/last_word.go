package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"vedette/pipeline/job"
	"vedette/workers/health"
)

// LastWord is a file in the data directory in which a process says what it has of
// what it needs for its work. Commands read it when the process cannot be reached:
// it may have no file descriptor for their connection, or be unable to start its
// server again. The file is open and has its full size from the start, so that
// neither a full disk nor used-up descriptors keep the process from writing it.
type LastWord struct {
	file *os.File
	last []byte // what it says
}

const (
	lastWordFile = "conditions.json"
	lastWordSize = 8 << 10
)

// OpenLastWord creates the file. The data directory must exist.
func OpenLastWord(dir string) (*LastWord, error) {
	file, err := os.OpenFile(filepath.Join(dir, lastWordFile), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600) //nolint:gosec // the operator names the data directory
	if err != nil {
		return nil, fmt.Errorf("open file for conditions: %w", err)
	}
	w := &LastWord{file: file}
	if err := w.fill(nil); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return w, nil
}

// Write replaces what the file says.
func (w *LastWord) Write(status job.ProcessStatus) error {
	status.Children = nil
	body, err := job.Encode(status)
	if err == nil && len(body) > lastWordSize {
		err = fmt.Errorf("found %d bytes, expected at most %d", len(body), lastWordSize)
	}
	if err != nil {
		return fmt.Errorf("write conditions: %w", err)
	}
	if bytes.Equal(body, w.last) {
		return nil // each write wears out the disk
	}
	w.last = body
	return w.fill(body)
}

// fill writes the text and blanks, so that the file keeps its size.
func (w *LastWord) fill(body []byte) error {
	whole := append(bytes.Clone(body), bytes.Repeat([]byte(" "), lastWordSize-len(body))...)
	if _, err := w.file.WriteAt(whole, 0); err != nil {
		return fmt.Errorf("write conditions: %w", err)
	}
	return nil
}

// Close removes the file: the process ends as it should.
func (w *LastWord) Close() error {
	err := os.Remove(w.file.Name())
	if errors.Is(err, os.ErrNotExist) {
		err = nil // with the data directory
	}
	return errors.Join(err, w.file.Close())
}

// ReadLastWord returns what the process with a data directory on this machine said
// last, and whether there is such a process.
func ReadLastWord(dir string) (job.ProcessStatus, bool) {
	found, err := os.ReadFile(filepath.Join(dir, lastWordFile)) //nolint:gosec // the operator names the data directory
	if err != nil {
		return job.ProcessStatus{}, false
	}
	status, err := job.DecodeKnown[job.ProcessStatus](bytes.TrimSpace(found))
	if err != nil || status.Process.PID <= 0 {
		return job.ProcessStatus{}, false
	}
	err = syscall.Kill(status.Process.PID, 0) // asks whether it exists
	return status, err == nil || errors.Is(err, syscall.EPERM)
}

// InheritedConditions returns what the process before this one lacked when it ended
// without a clean stop, except for what every process has from the start.
func InheritedConditions(dir string) []job.ProcessCondition {
	status, running := ReadLastWord(dir)
	if running && status.Process.PID != os.Getpid() {
		return nil // a worker that shares the directory
	}
	ownNames := []job.ProcessConditionName{job.ProcessRunning, job.ProcessNATS, job.ProcessChildren}
	return slices.DeleteFunc(health.Failing(status.Conditions), func(c job.ProcessCondition) bool {
		return c.Since.IsZero() || slices.Contains(ownNames, c.Name)
	})
}

// LastWord returns what the process said last that runs on the data directory, if
// the server was looked for there, and whether it lacks something. It is for a
// command that could not reach the process.
func (i *Instance) LastWord() (job.ProcessStatus, bool) {
	if !i.Local() {
		return job.ProcessStatus{}, false
	}
	status, found := ReadLastWord(i.Data)
	return status, found && len(health.Failing(status.Conditions)) > 0
}
