package check

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vedette/pipeline/job"
)

// DefaultSecrets is the directory where Docker and others mount secrets.
const DefaultSecrets = "/run/secrets"

// variablePrefix begins the names of environment variables with secrets.
const variablePrefix = "VEDETTE_SECRET_"

// maxSecret is the maximum size. A larger file is not a secret.
const maxSecret = 64 << 10

// SecretStore reads secrets from a directory with one file per secret, named
// after it, and otherwise from the environment, as usual for containers and
// services. It reads the file for each check, so that a new value applies to
// the next check.
type SecretStore struct {
	dir       string
	lookupEnv func(string) (string, bool)
}

// NewSecretStore returns a store for a directory; "" means [DefaultSecrets],
// which need not exist. lookupEnv returns environment variables, and defaults
// to [os.LookupEnv]. A variable is VEDETTE_SECRET_ followed by the name in
// capitals, with _ for - and dots. An error means that the directory is
// invalid.
func NewSecretStore(dir string, lookupEnv func(string) (string, bool)) (*SecretStore, error) {
	if lookupEnv == nil {
		lookupEnv = os.LookupEnv
	}
	if dir == "" {
		return &SecretStore{dir: DefaultSecrets, lookupEnv: lookupEnv}, nil
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	info, err := os.Stat(whole)
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("read secrets: found the file %s, expected a directory with a file for each secret", whole)
	}
	return &SecretStore{dir: whole, lookupEnv: lookupEnv}, nil
}

// Secret returns the current value without a final newline. The error includes
// the searched places. A nil store has no secrets.
func (s *SecretStore) Secret(name string) (string, error) {
	if s == nil {
		return "", fmt.Errorf("read secret %s: %w", name, errNoSecrets)
	}
	if !job.ValidName(name) { // it could be a path out of the directory
		return "", errors.New("read secret: found an invalid name, expected letters, digits, _, - and single dots")
	}
	path, variable := filepath.Join(s.dir, name), variableName(name)
	value, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		var set bool
		if value, set = s.lookupEnv(variable); !set {
			return "", fmt.Errorf("read secret %s: found neither the file %s nor the variable %s; create one of them on this worker, or set another directory with --secrets", name, path, variable)
		}
		path, err = "the variable "+variable, nil
	}
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("read secret %s: found an empty value in %s, expected the secret", name, path)
	}
	return value, nil
}

// variableName returns the environment variable for a secret.
func variableName(name string) string {
	return variablePrefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}

// readSecret reads a regular file. It never waits for a pipe.
func readSecret(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // its name is one of letters, digits, _, - and single dots
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("found %s, expected a regular file", path)
	}
	body, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err == nil && len(body) > maxSecret {
		err = fmt.Errorf("found more than %d bytes in %s, expected a secret", maxSecret, path)
	}
	return string(body), err
}
