package broker

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// loadSecret reads the directory's secret, or generates it at the first start.
func loadSecret(path string) (string, error) {
	found, err := os.ReadFile(path) //nolint:gosec // the operator names the data directory
	if err == nil {
		return strings.TrimSpace(string(found)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails, according to its documentation
	secret := base64.RawURLEncoding.EncodeToString(random)
	if err := writeFile(path, secret+"\n"); err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return secret, nil
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
