package mail

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// maildirCheckInterval is how often Serve checks the directory. A check costs one
// small file.
const maildirCheckInterval = 5 * time.Second

// Serve checks that mails can be stored, and creates missing directories, until
// ctx ends.
func (d *Maildir) Serve(ctx context.Context) error {
	ticker := time.NewTicker(maildirCheckInterval)
	defer ticker.Stop()
	for {
		d.check()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// check writes a file as for a mail, and removes it.
func (d *Maildir) check() {
	err := createFolders(d.config.Dir)
	if err == nil {
		err = writeCheckFile(filepath.Join(d.config.Dir, "tmp"))
	}
	d.record(err)
}

func writeCheckFile(dir string) error {
	file, err := os.CreateTemp(dir, "check"+fileSuffix+".*") // abandoned ones are removed at the next start
	if err != nil {
		return err
	}
	_, err = file.WriteString("check\n")
	return errors.Join(err, file.Sync(), file.Close(), os.Remove(file.Name()))
}

// record records a failure, or with nil that the directory can be written.
func (d *Maildir) record(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &d.state
	if usable := err == nil; usable != s.Usable {
		s.Usable, s.Since = usable, time.Now()
	}
	s.Trouble, s.Cause = "", ""
	if err != nil {
		s.Trouble, s.Cause = TroubleUnreachable, oneLine(failureText(err))
	}
}

// State returns what is known about the directory.
func (d *Maildir) State() RelayState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}
