package mail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// MaildirConfig says where a [Maildir] is.
type MaildirConfig struct {
	// Dir is the directory; it is made when it is missing.
	Dir string
	// From is who sends mails that do not say so: one address, RFC 5322.
	From string
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Maildir stores mails in a directory instead of sending them, for an
// installation without a relay: one file a mail, in the form that Dovecot,
// mutt and others read (tmp, new, cur). Only the owner can read them. It is
// safe for concurrent use, by several processes too.
//
// The format asks for a file name that nobody else makes, of the time, the
// process and the host. Here the name is made of the mail, since a mail that
// comes again must not become a second file; so a directory belongs to one
// installation, whose ids are unique.
type Maildir struct {
	dir, from string
	log       *slog.Logger
}

// NewMaildir makes the directories that are missing.
func NewMaildir(config MaildirConfig) (*Maildir, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Dir == "" {
		return nil, errors.New("set up maildir: dir: found none")
	}
	if _, err := parseAddress("from", config.From); err != nil {
		return nil, fmt.Errorf("set up maildir: %w", err)
	}
	for _, name := range []string{"", "tmp", "new", "cur"} {
		if err := createFolder(filepath.Join(config.Dir, name)); err != nil {
			return nil, fmt.Errorf("set up maildir: %w", err)
		}
	}
	if err := removeAbandoned(filepath.Join(config.Dir, "tmp"), time.Now()); err != nil {
		config.Logger.Warn("sweep maildir", "dir", config.Dir, "error", err) // it harms no mail
	}
	return &Maildir{dir: config.Dir, from: config.From, log: config.Logger}, nil
}

// Send stores a mail. It is there, whole and on the disk, when Send returns;
// one whose id is there already, read or unread, is not stored again. What
// cannot be stored is no fault of the mail: the error is of class relay.
func (d *Maildir) Send(ctx context.Context, m job.Mail, stored time.Time) (Receipt, error) {
	message, err := Build(m, Defaults{From: d.from, Stored: stored})
	if err != nil {
		return Receipt{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return Receipt{}, d.failed(err)
	}
	found, err := d.find(m.ID)
	if err != nil {
		return Receipt{}, d.failed(err)
	}
	if found != "" {
		// Whoever stored it may have died before it was sure to stay.
		if err := syncFolder(filepath.Join(d.dir, filepath.Dir(found))); err != nil {
			return Receipt{}, d.failed(err)
		}
		d.log.DebugContext(ctx, "mail is in the maildir already", "id", m.ID, "file", found)
		return d.receipt(found), nil
	}
	name := fileName(m.ID, message.Date)
	if err := d.writeFile(name, fileContent(message)); err != nil {
		return Receipt{}, d.failed(err)
	}
	return d.receipt(filepath.Join("new", name)), nil
}

func (d *Maildir) receipt(file string) Receipt {
	return Receipt{Relay: "maildir:" + d.dir, Reply: "stored as " + file}
}

func (d *Maildir) failed(err error) *Error {
	return &Error{Verdict: Verdict{Class: ClassRelay, Stage: StageBody, Err: err}, Relay: "maildir:" + d.dir}
}

const fileSuffix = ".vedette"

// fileName is unique among mails and the same for each attempt at one: seconds,
// by which readers sort, and the id.
func fileName(id string, date time.Time) string {
	return strconv.FormatInt(date.Unix(), 10) + "." + id + fileSuffix
}

// hasID reports whether a file is the mail with the id. A reader appends ":2,"
// and flags to the name when it moves a file to cur, or "!2," or ";2," where
// names must not hold colons; some add what they know of the file, as ",S=1234".
func hasID(name, id string) bool {
	if end := strings.IndexAny(name, ":;!,"); end >= 0 {
		name = name[:end]
	}
	_, rest, _ := strings.Cut(name, ".")
	return rest == id+fileSuffix
}

// find returns the file of a mail, or nothing.
func (d *Maildir) find(id string) (string, error) {
	for _, folder := range []string{"new", "cur"} {
		names, err := folderNames(filepath.Join(d.dir, folder))
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

// fileContent is what the last one on the way puts before a mail: the envelope,
// which is known nowhere else (RFC 5321, 4.4, and what qmail and Postfix do).
// Lines end as files' lines do.
func fileContent(m Message) []byte {
	whole := "Return-Path: <" + m.From + ">\nDelivered-To: " + m.To + "\n"
	return append([]byte(whole), bytes.ReplaceAll(m.Bytes, []byte("\r\n"), []byte("\n"))...)
}

// writeFile writes a file in tmp and moves it to new, so that no reader ever sees
// half a mail.
func (d *Maildir) writeFile(name string, content []byte) (err error) {
	file, err := os.CreateTemp(filepath.Join(d.dir, "tmp"), name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // it is not there if it was moved
		}
	}()
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	fresh := filepath.Join(d.dir, "new")
	if err := os.Rename(file.Name(), filepath.Join(fresh, name)); err != nil {
		return err
	}
	return syncFolder(fresh)
}
