package broker

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"vedette/pipeline/datadir"
)

// loadSecret reads the directory's secret. It generates one at the first start,
// and when the file is damaged.
func loadSecret(path string, log *slog.Logger) (string, error) {
	found, err := os.ReadFile(path) //nolint:gosec // the operator names the data directory
	secret := strings.TrimSpace(string(found))
	switch {
	case err == nil && usable(secret):
		return secret, nil
	case err == nil:
		log.Warn("secret was damaged and is replaced; processes that use the old one have to read it again", "file", path)
	case !errors.Is(err, fs.ErrNotExist):
		return "", &datadir.PathError{Path: path, Err: fmt.Errorf("read secret: %w", err)}
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails, according to its documentation
	secret = base64.RawURLEncoding.EncodeToString(random)
	if err := writeFile(path, secret+"\n"); err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return secret, nil
}

// A secret is printable, and bcrypt takes at most 72 bytes.
const (
	minSecret = 8
	maxSecret = 72
)

func usable(secret string) bool {
	return len(secret) >= minSecret && len(secret) <= maxSecret &&
		!strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' })
}

// writeFile replaces a file atomically. Only its owner can read it.
func writeFile(path, content string) error {
	if err := os.WriteFile(path+".new", []byte(content), ownerOnly); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// removeFile removes a file that may be missing.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove outdated file: %w", err)
	}
	return nil
}

// ErrNotRunning is returned by [FindURL] for a directory without an address.
var ErrNotRunning = errors.New("no instance has run with this data directory")

// FindURL returns the address, with credentials, where the broker in a data
// directory listens. Commands use it to find a running instance. Among the
// errors is [ErrNotRunning].
func FindURL(dir string) (string, error) {
	found, err := os.ReadFile(filepath.Join(dir, urlFile)) //nolint:gosec // the operator names the data directory
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", filepath.Join(dir, urlFile), ErrNotRunning)
	}
	if err != nil {
		return "", fmt.Errorf("read address: %w", err)
	}
	return strings.TrimSpace(string(found)), nil
}
