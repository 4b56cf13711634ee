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

// loadSecret reads the directory's secret, or makes it at the first start.
func loadSecret(path string) (string, error) {
	found, err := os.ReadFile(path) //nolint:gosec // the operator names the data directory
	if err == nil {
		return strings.TrimSpace(string(found)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails, says its documentation
	secret := base64.RawURLEncoding.EncodeToString(random)
	if err := writeFile(path, secret+"\n"); err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return secret, nil
}

// writeFile replaces a file in one step, readable by its owner only.
func writeFile(path, content string) error {
	if err := os.WriteFile(path+".new", []byte(content), ownerOnly); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// ErrNotRunning is returned by [FindURL] for a directory whose broker never ran.
var ErrNotRunning = errors.New("no instance has run with this data directory")

// FindURL tells where the broker of a data directory listens, credentials
// included, so that commands find a running instance by themselves. The error
// is [ErrNotRunning], or why the address could not be read.
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
