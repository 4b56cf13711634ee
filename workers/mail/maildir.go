package mail

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// MaildirConfig configures a [Maildir].
type MaildirConfig struct {
	// Dir is the directory, which is created if it is missing.
	Dir string
	// From is the sender of mails without one: one address, RFC 5322.
	From string
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Maildir stores mails in a directory instead of sending them, for an
// installation without a relay: one file for each mail, in the format that
// Dovecot, mutt and others read (tmp, new, cur). Only the owner can read them.
// A Maildir is safe for concurrent use, also by several processes.
//
// The format asks for file names that are unique across time, process and host.
// Here the name is derived from the mail, so that a second attempt does not
// store a second file. A directory must therefore belong to one installation,
// whose ids are unique.
type Maildir struct {
	config MaildirConfig

	mu    sync.Mutex
	state RelayState
}

// NewMaildir creates missing directories.
func NewMaildir(config MaildirConfig) (*Maildir, error) {
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	if config.Dir == "" {
		return nil, errors.New("set up maildir: dir: found none, expected a directory")
	}
	if _, err := parseAddress("from", config.From); err != nil {
		return nil, fmt.Errorf("set up maildir: %w", err)
	}
	if err := createFolders(config.Dir); err != nil {
		return nil, fmt.Errorf("set up maildir: %w", err)
	}
	if err := removeAbandoned(filepath.Join(config.Dir, "tmp"), time.Now()); err != nil {
		config.Logger.Warn("abandoned files in maildir could not be removed", "dir", config.Dir, "error", err)
	}
	return &Maildir{config: config, state: RelayState{Relay: "maildir:" + config.Dir, Maildir: true, Usable: true, Since: time.Now()}}, nil
}

func createFolders(dir string) error {
	for _, name := range []string{"", "tmp", "new", "cur"} {
		if err := createFolder(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// Send stores a mail. When Send returns, the mail is complete and on the disk.
// A mail whose id is present, read or unread, is not stored again. Failures are
// not the mail's fault: the error has class relay.
func (d *Maildir) Send(ctx context.Context, m job.Mail, stored time.Time) (Receipt, error) {
	message, err := Build(m, Defaults{From: d.config.From, Stored: stored})
	if err != nil {
		return Receipt{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return Receipt{}, d.attemptError(err)
	}
	found, err := d.find(m.ID)
	if err != nil {
		return Receipt{}, d.failed(err)
	}
	if found != "" {
		// The process that stored it may have died before it synced the folder.
		if err := syncFolder(filepath.Join(d.config.Dir, filepath.Dir(found))); err != nil {
			return Receipt{}, d.failed(err)
		}
		d.config.Logger.DebugContext(ctx, "mail was already in the maildir", "id", m.ID, "file", found)
		return d.receipt(found), nil
	}
	name := fileName(m.ID, message.Date)
	if err := d.writeFile(name, fileContent(message)); err != nil {
		return Receipt{}, d.failed(err)
	}
	return d.receipt(filepath.Join("new", name)), nil
}

func (d *Maildir) receipt(file string) Receipt {
	return Receipt{Relay: "maildir:" + d.config.Dir, Reply: "stored as " + file}
}

// failed records that a mail could not be stored.
func (d *Maildir) failed(err error) *Error {
	d.record(err)
	return d.attemptError(err)
}

func (d *Maildir) attemptError(err error) *Error {
	return &Error{Verdict: Verdict{Class: ClassRelay, Stage: StageBody, Err: err}, Relay: "maildir:" + d.config.Dir}
}

const fileSuffix = ".vedette"

// fileName is unique among mails and the same for each attempt: the date in
// seconds, by which readers sort, and the id.
func fileName(id string, date time.Time) string {
	return strconv.FormatInt(date.Unix(), 10) + "." + id + fileSuffix
}

// hasID reports whether a file is the mail with the id. A reader that moves a
// file to cur appends ":2," and flags to the name, or "!2," or ";2," where file
// names must not contain colons; some insert attributes such as ",S=1234".
func hasID(name, id string) bool {
	if end := strings.IndexAny(name, ":;!,"); end >= 0 {
		name = name[:end]
	}
	_, rest, _ := strings.Cut(name, ".")
	return rest == id+fileSuffix
}

// find returns the path of a mail's file, or "".
func (d *Maildir) find(id string) (string, error) {
	for _, folder := range []string{"new", "cur"} {
		names, err := folderNames(filepath.Join(d.config.Dir, folder))
		if err != nil {
			return "", err
		}
		for _, name := range names {
			if hasID(name, id) {
				return filepath.Join(folder, name), nil
			}
		}
	}
	return "", nil
}

// fileContent returns the mail after the envelope, which the last server
// records in the header (RFC 5321, 4.4, and what qmail and Postfix do). Lines
// end with LF, as in files.
func fileContent(m Message) []byte {
	whole := "Return-Path: <" + m.From + ">\nDelivered-To: " + m.To + "\n"
	return append([]byte(whole), bytes.ReplaceAll(m.Bytes, []byte("\r\n"), []byte("\n"))...)
}

// writeFile writes a file in tmp and moves it to new, so that readers see
// complete mails only.
func (d *Maildir) writeFile(name string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Join(d.config.Dir, "tmp"), name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // fails if it was moved
		}
	}()
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	fresh := filepath.Join(d.config.Dir, "new")
	if err := os.Rename(file.Name(), filepath.Join(fresh, name)); err != nil {
		return err
	}
	return syncFolder(fresh)
}

// createFolder creates a missing folder for the owner only and syncs its
// parent.
func createFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder survive a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // set by the operator
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func folderNames(path string) ([]string, error) {
	folder, err := os.Open(path) //nolint:gosec // set by the operator
	if err != nil {
		return nil, err
	}
	names, err := folder.Readdirnames(-1)
	return names, errors.Join(err, folder.Close())
}

// abandonedAfter is the age at which a file in tmp counts as abandoned, for
// readers of the format too.
const abandonedAfter = 36 * time.Hour

// removeAbandoned removes files that killed processes have left in tmp. It
// leaves other programs' files alone.
func removeAbandoned(tmp string, now time.Time) error {
	names, err := folderNames(tmp)
	if err != nil {
		return err
	}
	var problems []error
	for _, name := range names {
		if !strings.Contains(name, fileSuffix+".") {
			continue
		}
		path := filepath.Join(tmp, name)
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > abandonedAfter {
			err = os.Remove(path)
		}
		if !errors.Is(err, fs.ErrNotExist) { // another process may have removed it
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
