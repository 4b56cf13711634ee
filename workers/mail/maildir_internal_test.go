package mail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The file is complete and on the disk by then, but readers must not see it.
func TestMaildirRemovesFileThatCannotBeMoved(t *testing.T) {
	t.Parallel()
	d := &Maildir{config: MaildirConfig{Dir: t.TempDir()}}
	tmp := filepath.Join(d.config.Dir, "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.writeFile("1.m1.vedette", []byte("Subject: s\n\n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want no folder new", err)
	}
	if left, err := folderNames(tmp); err != nil || len(left) != 0 {
		t.Errorf("got %q, %v, want nothing left in tmp", left, err)
	}
}
