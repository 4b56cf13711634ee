// Package datadir checks and repairs the files that a nats-server uses, while it
// is not running. The server itself trusts most files: it leaves out a stream
// whose definition is damaged, cuts a block with messages at the first wrong bit,
// and follows a consumer's position wherever a wrong bit leads. So before each
// start [Check] reads everything once, keeps every message that is whole, and
// reports the rest; [Record] describes what should be there.
//
// The formats are those in nats-server 2.15, for streams on one server without
// compression and encryption. A cluster node repairs its files from other nodes.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Names in a data directory. The server adds the second "jetstream".
const (
	jetStream  = "jetstream"
	streamsDir = "streams"
	// recoveryDir has what [Check] needs.
	recoveryDir = "recovery"
	// AsideDir is the directory with the damaged files that were replaced.
	AsideDir = "damaged"
)

// PathError is a file that prevents a start. Moving it away helps.
type PathError struct {
	// Path is the file or directory.
	Path string
	Err  error
}

// Error returns the message.
func (e *PathError) Error() string { return fmt.Sprintf("check data directory: %v", e.Err) }

// Unwrap returns the cause.
func (e *PathError) Unwrap() error { return e.Err }

// store is the directory with the server's accounts.
func store(dir string) string { return filepath.Join(dir, jetStream, jetStream) }

// checker checks a data directory once.
type checker struct {
	dir         string
	at          time.Time
	record      Record
	definitions definitions
	report      *Report
}

// Check examines the data directory for a server that is not running, repairs
// what it can, and returns what it found. now is the current time; stopped,
// if not nil, is the record from [SaveStopped] in the same process. The error is a
// [PathError] when a person has to act.
func Check(dir string, now time.Time, stopped *Record) (*Report, error) {
	c := &checker{dir: dir, at: now, report: &Report{began: now}}
	for _, path := range []string{dir, filepath.Join(dir, jetStream), store(dir)} {
		if err := checkDirectory(path); err != nil {
			return nil, err
		}
	}
	if err := c.load(stopped); err != nil {
		return nil, err
	}
	streams, err := c.streams()
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		if err := c.checkStream(stream); err != nil {
			return nil, &PathError{Path: pathIn(err, filepath.Join(store(dir), stream)), Err: err}
		}
	}
	if err := c.invalidate(); err != nil {
		return nil, err
	}
	return c.report, nil
}

// isDamage reports whether an error shows a damaged file, and not that files
// cannot be read now: then nothing may be moved.
func isDamage(err error) bool {
	for _, damage := range []error{errDamaged, fs.ErrNotExist, syscall.EISDIR, syscall.ENOTDIR} {
		if errors.Is(err, damage) {
			return true
		}
	}
	return false
}

// pathIn returns the path in an error, or otherwise.
func pathIn(err error, otherwise string) string {
	if found, ok := errors.AsType[*fs.PathError](err); ok {
		return found.Path
	}
	return otherwise
}

// checkDirectory checks that a path is a directory, or missing.
func checkDirectory(path string) error {
	found, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &PathError{Path: path, Err: err}
	case !found.IsDir():
		return &PathError{Path: path, Err: fmt.Errorf("found a file at %s, expected a directory", path)}
	}
	return nil
}

// load reads the record, unless the process has a newer one, and the definitions.
func (c *checker) load(stopped *Record) error {
	recordErr := read(filepath.Join(c.dir, recoveryDir, recordFile), &c.record)
	definitionsErr := read(filepath.Join(c.dir, recoveryDir, definitionsFile), &c.definitions)
	for _, err := range []error{recordErr, definitionsErr} {
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, errDamaged):
			c.report.add(Finding{File: recoveryDir, Damage: err.Error(), Repair: "was written again"})
		default:
			return &PathError{Path: filepath.Join(c.dir, recoveryDir), Err: err}
		}
	}
	if stopped != nil {
		c.record = *stopped
	}
	c.report.Clean = c.record.Clean || errors.Is(recordErr, fs.ErrNotExist) && !c.used()
	c.report.before = c.record
	return nil
}

// used reports whether a server has run in the directory.
func (c *checker) used() bool {
	found, err := os.ReadDir(store(c.dir))
	return err == nil && len(found) > 0
}

// invalidate marks that the server runs: until it stops, the record is not from
// a clean stop.
func (c *checker) invalidate() error {
	if !c.record.Clean {
		return nil
	}
	c.record.Clean = false
	for _, stream := range c.record.Streams {
		for name := range stream.Files {
			if filepath.Ext(name) == blockSuffix {
				stream.Blocks = append(stream.Blocks, filepath.Base(name))
			}
		}
		stream.Files = nil
	}
	path := filepath.Join(c.dir, recoveryDir, recordFile)
	if err := write(path, c.record); err != nil { // such as on a full disk
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &PathError{Path: path, Err: err}
		}
	}
	return nil
}

// streams returns the directories for all streams on disk or in the record,
// relative to the store, such as "$G/streams/VEDETTE_TICK".
func (c *checker) streams() ([]string, error) {
	found, err := onDisk(store(c.dir))
	if err != nil {
		return nil, &PathError{Path: store(c.dir), Err: err}
	}
	for known := range c.record.Streams {
		found = append(found, known)
	}
	for known := range c.definitions {
		if filepath.Base(known) == metaFile && filepath.Base(filepath.Dir(filepath.Dir(known))) == streamsDir {
			found = append(found, filepath.Dir(known))
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// onDisk returns the streams' directories. Names that begin with a
// dot are streams that were being deleted.
func onDisk(store string) ([]string, error) {
	accounts, err := entries(store)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, account := range accounts {
		if !account.IsDir() {
			continue // the server writes a file to try the disk, which a kill may leave
		}
		streams, err := entries(filepath.Join(store, account.Name(), streamsDir))
		if err != nil {
			return nil, err
		}
		for _, stream := range streams {
			if !strings.HasPrefix(stream.Name(), ".") {
				found = append(found, filepath.Join(account.Name(), streamsDir, stream.Name()))
			}
		}
	}
	return found, nil
}

// entries lists a directory; a missing one is empty, and so is a file.
func entries(dir string) ([]os.DirEntry, error) {
	if found, err := os.Stat(dir); err == nil && !found.IsDir() {
		return nil, nil
	}
	found, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return found, err
}
