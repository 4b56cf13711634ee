package datadir

import (
	"fmt"
	"io/fs"
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
