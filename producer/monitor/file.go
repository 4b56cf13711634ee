// Package monitor reads the monitor file: its format, its defaults, and every
// mistake in it at once, each with the place where it stands.
//
// The file is YAML with the sections recipients, operators, routes,
// notifications, maintenance, mail, server, workers, defaults and monitors;
// further top-level keys that begin with "x-" may hold anchors. Its one
// vocabulary is that of the messages in vedette/pipeline/job, in
// snake_case. Durations are written as Go writes them, such as 1m30s. In any
// text, ${NAME} is the environment's value of NAME and $$ is a dollar; in what a
// probe sends, ${secret:NAME} is a reference to a secret, which stays one.
//
// What a monitor does not say comes from the section defaults, and then from
// the constants of this package. A timeout that a monitor does not set itself
// is lowered to 80 % of its interval when it would not be shorter than it.
package monitor

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"vedette/pipeline/compact"
	"vedette/pipeline/job"
)

// Defaults of a monitor when neither it nor the section defaults says more.
const (
	DefaultInterval         = time.Minute
	DefaultTimeout          = 10 * time.Second
	DefaultFailureThreshold = 3
	DefaultSuccessThreshold = 2
)

// Defaults of the section server.
const (
	DefaultData  = "vedette-data"
	DefaultHTTP  = "127.0.0.1:8080"
	DefaultNATS  = "127.0.0.1:4222"
	DefaultGrace = 20 * time.Second
)

// File is a monitor file without mistakes, with its defaults filled in.
type File struct {
	// Monitors stand in the order of the file. With [Options].Encode there are none,
	// and Encoded has them by name, as they are stored; its values are the lines
	// where they stand.
	Monitors []job.Monitor
	Encoded  *compact.Map[uint32]
	// Recipients stand in the order of the file.
	Recipients []job.Recipient
	// Operators are names of recipients who hear of the installation itself.
	Operators []string
	Mail      Mail
	Server    Server
	Workers   Workers
	// Notifications say how news are put into mails, Maintenance when nobody
	// wants any.
	Notifications Notifications
	Maintenance   []job.Maintenance
	// Warnings are what is allowed and yet probably not meant, by line.
	Warnings []Problem
}

// Count is how many monitors the file has.
func (f *File) Count() int {
	if f.Encoded != nil {
		return f.Encoded.Len()
	}
	return len(f.Monitors)
}

// Mail is the section mail: how mails leave the installation.
type Mail struct {
	// From is the sender, RFC 5322; it is set when there are relays.
	From string
	// Relays are tried in this order; without any, mails are not sent by SMTP.
	Relays []Relay
	// GiveUpAfter is how long a mail is tried; zero means that the file does not
	// say.
	GiveUpAfter time.Duration
	// AllowFrom and AllowRecipients are patterns of addresses, such as
	// *@example.org, of the mails that people and programs may order; empty
	// means any.
	AllowFrom, AllowRecipients []string
	// RecipientPerMinute is how many mails one address gets a minute; zero means
	// that the file does not say.
	RecipientPerMinute int
	// DKIM signs mails, unless it is nil.
	DKIM *DKIM
}

// DKIM is the key that signs mails of a domain. Its public half stands in the
// DNS below the selector's name.
type DKIM struct {
	// Domain is that of the sender by default.
	Domain, Selector string
	// Key is the text of the file that holds the private key.
	Key Secret
}

// TLS says how a connection to a relay is protected.
type TLS string

// The ways to protect a connection: upgrading it before anything is said
// (RFC 3207), from its first byte (RFC 8314), or not at all.
const (
	TLSStart    TLS = "starttls"
	TLSImplicit TLS = "implicit"
	TLSNone     TLS = "none"
)

// Relay is a mail server that takes mails for others.
type Relay struct {
	Host string
	// Port is 587, 465 or 25 by default, as TLS says.
	Port int
	// TLS is TLSStart by default.
	TLS TLS
	// Username and Password are both set or both empty.
	Username string
	Password Secret
	// PasswordFile is where it was read from, if it stood in a file of its own:
	// what is there then counts.
	PasswordFile string
	// AllowCleartext says that the password may be sent without TLS.
	AllowCleartext bool
	// Auth is the mechanism to log in by; empty means the best that is offered.
	Auth string
	// Sessions is how many sessions are open at once, PerMinute how many mails
	// it gets a minute; zero means that the file does not say.
	Sessions, PerMinute int
}

// Secret is a text that is not shown by fmt, slog or an encoder. Convert it to
// string where it is used.
type Secret string

const masked = "****"

// String returns a mask, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString returns what String returns, in quotes.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// MarshalText returns what String returns. It never fails.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Server is the section server: where the process listens and stores.
type Server struct {
	// Data is the data directory, relative to the working directory.
	Data string
	// HTTP is where the page, /healthz and /readyz are, NATS where the
	// embedded server listens: host:port.
	HTTP, NATS string
	// Grace is how long running jobs may finish when the process stops.
	Grace time.Duration
	// Replicas is how many copies of each stream a cluster keeps: 1, 3 or 5; zero
	// when the file does not say.
	Replicas int
}

// Workers is the section workers: how many jobs a process runs at once, and
// what it may check. Zero means that the file does not say.
type Workers struct {
	Checks, Adhoc, Calls, Evaluations, Mails int
	// ChecksPerHost is how many checks of one host are made at once.
	ChecksPerHost int
	// AllowNetworks and DenyNetworks are networks and addresses that may be
	// checked, and that may not.
	AllowNetworks, DenyNetworks []string
	// ReferenceTargets are up whenever the network of the worker is.
	ReferenceTargets []string
}

// Options say what reading a file may use. The zero value reads environment
// and files of the process, and leaves expectations unchecked.
type Options struct {
	// LookupEnv finds the variables of ${NAME}. Defaults to [os.LookupEnv].
	LookupEnv func(name string) (string, bool)
	// Open opens the monitor file and the files that it names. Defaults to
	// [os.Open].
	Open func(path string) (io.ReadCloser, error)
	// Encode has the monitors encoded as they are read. A definition takes a
	// kilobyte, and a fifth of that when it is encoded.
	Encode bool
	// Progress, when set, is told from time to time how many monitors of a large
	// file were read.
	Progress func(monitors int)
	// CheckSpec finds mistakes in what a spec says that is otherwise good, such
	// as an expression that does not compile. Nil checks nothing. It may be called
	// by several goroutines at once, as may LookupEnv.
	CheckSpec func(spec job.Spec) []job.Problem
	// CheckTarget finds a mistake in a target in its short form, such as a URL.
	// Nil checks nothing.
	CheckTarget func(target string) error
	// CheckTemplate finds a mistake in a template of mails; kind is text or html.
	// Nil checks nothing.
	CheckTemplate func(kind, text string) error
	// CheckDKIMKey finds a mistake in the text of a private key. Nil checks
	// nothing.
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

// Load reads the monitor file at a path. A file with mistakes is an
// [*InvalidError] that holds them all; any other error means that the file
// could not be read.
func Load(path string, opts Options) (*File, error) {
	opts = opts.withDefaults()
	data, err := opts.readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read monitor file: %w", err)
	}
	return Parse(path, data, opts)
}

// Parse reads the text of a monitor file. The name is shown in messages, and
// relative paths in the file start from its folder. The error is always an
// [*InvalidError] that holds every mistake.
func Parse(name string, data []byte, opts Options) (*File, error) {
	r := newReader(name, data, opts.withDefaults())
	file := r.file()
	if problems := tidy(r.problems, r.inputs.names); len(problems) > 0 {
		return nil, &InvalidError{Problems: problems}
	}
	file.Warnings = tidy(r.warnings, r.inputs.names)
	return file, nil
}
