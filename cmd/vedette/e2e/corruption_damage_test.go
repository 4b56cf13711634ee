package e2e_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damage is one corruption of a data directory.
type damage struct {
	file string // relative to the directory
	what string
}

// copyDir copies a data directory into a new one.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// corrupt damages one file that the random numbers choose. Mails in the Maildir
// are output, and not read again.
func corrupt(t *testing.T, dir string, random *rand.Rand) damage {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !strings.Contains(path, "/data/mail/") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d files, %v, want some", len(files), err)
	}
	if random.IntN(2) == 0 { // half the damage is to messages, which are few files
		files = slices.DeleteFunc(files, func(path string) bool { return filepath.Ext(path) != ".blk" })
	}
	path := files[random.IntN(len(files))]
	if n := random.IntN(16); n < 2 {
		return replaceByDirectory(t, dir, path, n == 0 && filepath.Dir(path) != dir)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	what, changed := change(content, random)
	if changed == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, changed, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return damage{file: name, what: what}
}

// replaceByDirectory replaces a file by a directory, or removes a whole directory.
func replaceByDirectory(t *testing.T, dir, path string, whole bool) damage {
	t.Helper()
	what := "replaced by a directory"
	if whole {
		path, what = filepath.Dir(path), "directory removed"
	}
	err := os.RemoveAll(path)
	if !whole {
		err = errors.Join(err, os.Mkdir(path, 0o700))
	}
	name, relErr := filepath.Rel(dir, path)
	if err := errors.Join(err, relErr); err != nil {
		t.Fatal(err)
	}
	return damage{file: name, what: what}
}

// change returns content with one kind of damage; nil deletes the file.
func change(content []byte, random *rand.Rand) (what string, changed []byte) {
	size := len(content)
	switch kind := random.IntN(6); {
	case kind == 0 && size > 0:
		n := random.IntN(size)
		return fmt.Sprintf("truncated to %d of %d", n, size), content[:n]
	case kind == 1 && size > 0:
		n := 1 + random.IntN(64)
		for range n {
			content[random.IntN(size)] ^= 1 << random.IntN(8)
		}
		return fmt.Sprintf("%d bits flipped", n), content
	case kind == 2 && size > 0:
		from := random.IntN(size)
		to := min(size, from+1+random.IntN(4096))
		clear(content[from:to])
		return fmt.Sprintf("zeros from %d to %d of %d", from, to, size), content
	case kind == 3:
		return "deleted", nil
	case kind == 4:
		garbage := make([]byte, 1+random.IntN(4096))
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		return fmt.Sprintf("%d bytes of garbage appended", len(garbage)), append(content, garbage...)
	default:
		return "emptied", []byte{}
	}
}
