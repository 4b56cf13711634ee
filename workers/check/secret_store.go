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

// DefaultSecrets is where Docker and others put the secrets of a container.
const DefaultSecrets = "/run/secrets"

// variablePrefix begins the names of variables that hold secrets.
const variablePrefix = "VEDETTE_SECRET_"

// maxSecret is how long a secret may be; what is longer is another file.
const maxSecret = 64 << 10

// SecretStore finds secrets where those who run containers and services put
// them: in a directory with a file for each, whose name is the secret's, and
// else in the environment. A file is read at each check that needs it, so that
// a new value counts from the next check on.
type SecretStore struct {
	dir       string
	lookupEnv func(string) (string, bool)
}

// NewSecretStore makes a store over a directory; empty means [DefaultSecrets],
// which need not exist. Variables are found by lookupEnv, [os.LookupEnv] if it
// is nil: VEDETTE_SECRET_ and the name in capitals, with _ for - and dots. The
// error says that the directory is none.
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

// Secret returns the value of a secret as it is now, without the newline that
// editors leave at its end. The error says where it was looked for; a nil store
// knows none.
func (s *SecretStore) Secret(name string) (string, error) {
	if s == nil {
		return "", fmt.Errorf("read secret %s: %w", name, errNoSecrets)
	}
	if !job.ValidName(name) { // which could lead out of the directory
		return "", errors.New("read secret: found a name that will not do, expected letters, digits, _, - and single dots")
	}
	path, variable := filepath.Join(s.dir, name), variableName(name)
	value, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		var set bool
		if value, set = s.lookupEnv(variable); !set {
			return "", fmt.Errorf("read secret %s: found neither the file %s nor the variable %s; make one of them on this worker, or name another directory with --secrets", name, path, variable)
		}
		path, err = "the variable "+variable, nil
	}
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("read secret %s: found nothing in %s, expected the secret", name, path)
	}
	return value, nil
}

// variableName is the variable that may hold a secret.
func variableName(name string) string {
	return variablePrefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
}

// readSecret reads a file. It does not wait for one that is a pipe.
func readSecret(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // its name is one of letters, digits, _, - and single dots
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("found %s, which is no file", path)
	}
	body, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err == nil && len(body) > maxSecret {
		err = fmt.Errorf("found more than %d bytes in %s, expected a secret", maxSecret, path)
	}
	return string(body), err
}
