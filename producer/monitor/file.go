// Package monitor reads the monitor file. It reports every mistake at once, each
// with its line and column.
//
// The file is YAML, and may name files with one monitor per line as JSON, which mean
// the same. [Keys] lists its keys, which are those of the messages in
// vedette/pipeline/job, in snake_case. Top-level keys that begin with x- may hold
// YAML anchors. Durations are written as in Go, such as 1m30s. In any text, ${NAME}
// is replaced by an environment variable and $$ by a dollar; in what a probe sends,
// ${secret:NAME} stays a reference to a secret.
//
// A key that a monitor leaves out comes from the section defaults, and then from the
// constants in this package. A timeout that does not come from the monitor itself is
// lowered to 80 % of the interval if it is not shorter.
package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// Defaults for a monitor when neither the monitor nor the section defaults sets the
// key.
const (
	DefaultInterval         = time.Minute
	DefaultTimeout          = 10 * time.Second
	DefaultFailureThreshold = 3
	DefaultSuccessThreshold = 2
)

// File is a monitor file without mistakes, with its defaults filled in.
type File struct {
	// Monitors are in file order. With [Options].Encode there are none: Encoded has
	// them by name, as they are stored. Its values are places, for use in this
	// package.
	Monitors []job.Monitor
	Encoded  *compact.Map[uint32]
	// Recipients are in file order.
	Recipients []job.Recipient
	// Operators are recipients for mails about the installation.
	Operators []string
	Mail      Mail
	Server    Server
	Workers   Workers
	// Watchdogs are pinged while the installation works.
	Watchdogs []Watchdog
	// Notifications sets how mails group notifications; Maintenance has the windows
	// without mails.
	Notifications Notifications
	Maintenance   []job.Maintenance
	// Warnings are for what is allowed but probably not intended, by line.
	Warnings []Problem
}

// Count returns how many monitors there are.
func (f *File) Count() int {
	if f.Encoded != nil {
		return f.Encoded.Len()
	}
	return len(f.Monitors)
}

// Options configure reading. The zero value uses the environment and files as the
// process sees them, and skips the checks.
type Options struct {
	// LookupEnv returns the variable for ${NAME}. Defaults to [os.LookupEnv].
	LookupEnv func(name string) (string, bool)
	// Open opens the monitor file and the files that it names. Defaults to
	// [os.Open].
	Open func(path string) (io.ReadCloser, error)
	// Encode stores monitors in encoded form: 200 bytes instead of a kilobyte each.
	Encode bool
	// NeedMonitors makes a file without monitors a mistake. Otherwise it gets a
	// warning: a worker's file needs none.
	NeedMonitors bool
	// Progress, if set, is called from time to time with the number of monitors
	// read.
	Progress func(monitors int)
	// CheckSpec finds mistakes in a spec that are not visible here, such as an
	// expression that does not compile. Nil checks nothing. CheckSpec and LookupEnv
	// may be called concurrently.
	CheckSpec func(spec job.Spec) []job.Problem
	// CheckTarget finds a mistake in a target in its text form, such as a URL. Nil
	// checks nothing.
	CheckTarget func(target string) error
	// CheckTemplate finds a mistake in a mail template; kind is text or html. Nil
	// checks nothing.
	CheckTemplate func(kind, text string) error
	// CheckDKIMKey finds a mistake in a private key. Nil checks nothing.
	CheckDKIMKey func(text string) error
}

func (o Options) withDefaults() Options {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Open == nil {
		o.Open = func(path string) (io.ReadCloser, error) { return os.Open(path) } //nolint:gosec // the user names it
	}
	return o
}

func (o Options) readFile(path string) (data []byte, err error) {
	file, err := o.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // callers name the file
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return io.ReadAll(file)
}

// Load reads the monitor file at a path. For a file with mistakes the error is an
// [*InvalidError] with all of them; any other error means that the file could not be
// read.
func Load(path string, opts Options) (*File, error) {
	opts = opts.withDefaults()
	data, err := opts.readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read monitor file: %w", err)
	}
	return Parse(path, data, opts)
}

// Parse reads the text of a monitor file. Messages show the name, and relative paths
// in the file start from its folder. The error is always an [*InvalidError].
func Parse(name string, data []byte, opts Options) (*File, error) {
	r := newReader(name, data, opts.withDefaults())
	file := r.file()
	if problems := tidy(r.problems, r.inputs.names); len(problems) > 0 {
		return nil, &InvalidError{Problems: problems}
	}
	file.Warnings = tidy(r.warnings, r.inputs.names)
	return file, nil
}
