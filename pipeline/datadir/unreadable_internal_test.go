package datadir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Files that cannot be read now, as without a file descriptor, are not damaged: a
// check that moved them away would destroy what is whole.
func TestOnlyDamageIsRepaired(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		errDamaged: true, fs.ErrNotExist: true, syscall.EISDIR: true, syscall.ENOTDIR: true, syscall.ENOENT: true,
		syscall.EMFILE: false, syscall.EIO: false, syscall.EACCES: false, syscall.ENFILE: false, syscall.ESTALE: false,
	} {
		if got := isDamage(fmt.Errorf("read: %w", &fs.PathError{Op: "open", Path: "x", Err: err})); got != want {
			t.Errorf("%v: got damage %t, want %t", err, got, want)
		}
	}
}

// A server tries the disk with a file, which stays if it is killed at that moment.
func TestFileBesideTheAccountsIsIgnored(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if err := os.MkdirAll(filepath.Join(store, "$G", streamsDir, "S"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "_test_1574412992"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := onDisk(store); err != nil || len(found) != 1 || found[0] != filepath.Join("$G", streamsDir, "S") {
		t.Errorf("got %q, %v, want the stream", found, err)
	}
}
