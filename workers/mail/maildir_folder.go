package mail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

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
