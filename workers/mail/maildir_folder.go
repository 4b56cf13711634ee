package mail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// createFolder makes a folder for its owner only, unless it is there, and sees to
// it that it outlives a power cut as the mails in it do.
func createFolder(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes sure that the names in a folder outlive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path) //nolint:gosec // the operator's own directory
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func folderNames(path string) ([]string, error) {
	folder, err := os.Open(path) //nolint:gosec // the operator's own directory
	if err != nil {
		return nil, err
	}
	names, err := folder.Readdirnames(-1)
	return names, errors.Join(err, folder.Close())
}

// abandonedAfter is the age at which the format's readers, too, take a file in tmp
// for one that nobody will finish.
const abandonedAfter = 36 * time.Hour

// removeAbandoned removes what deliveries that were killed have left in tmp. What others
// deliver there is theirs.
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
		if !errors.Is(err, fs.ErrNotExist) { // somebody else sweeps too
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
