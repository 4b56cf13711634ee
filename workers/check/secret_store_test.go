package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vedette/workers/check"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func store(t *testing.T, dir string, env map[string]string) *check.SecretStore {
	t.Helper()
	s, err := check.NewSecretStore(dir, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSecretsComeFromTheDirectoryOrTheEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"plain": "hunter2", "newline": "hunter2\n", "windows": "hunter2\r\n", "lines": "a\nb\n\n", "BOTH": "file", "spaces": " a "} {
		write(t, filepath.Join(dir, name), text)
	}
	s := store(t, dir, map[string]string{
		"VEDETTE_SECRET_BOTH": "variable", "VEDETTE_SECRET_API": "variable", "VEDETTE_SECRET_A_B_C": "variable\n", "API": "not this one",
	})
	for name, want := range map[string]string{
		"plain": "hunter2", "newline": "hunter2", "windows": "hunter2", "lines": "a\nb\n", "BOTH": "file", "API": "variable", "api": "variable", "a-b.c": "variable", "spaces": " a ",
	} {
		if got, err := s.Secret(name); got != want || err != nil {
			t.Errorf("%s: got %q and %v, want %q", name, got, err, want)
		}
	}
}

func TestSecretsAreReadAgainAfterAKubernetesUpdate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"v1", "v2"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "API"), "secret of "+version)
	}
	if err := os.Symlink(filepath.Join("..data", "API"), filepath.Join(dir, "API")); err != nil {
		t.Fatal(err)
	}
	s := store(t, dir, nil)
	for _, version := range []string{"v1", "v2"} {
		link := filepath.Join(dir, "new")
		if err := os.Symlink(version, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Secret("API"); got != "secret of "+version || err != nil {
			t.Errorf("got %q and %v, want the one from %s", got, err, version)
		}
	}
}

func TestErrorForAMissingSecretNamesTheSearchedPlaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "large"), strings.Repeat("hunter2 ", 1<<14))
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := store(t, dir, map[string]string{"VEDETTE_SECRET_BLANK": ""})
	for name, says := range map[string][]string{
		"none":   {filepath.Join(dir, "none"), "VEDETTE_SECRET_NONE", "--secrets"},
		"empty":  {"found an empty value in " + filepath.Join(dir, "empty")},
		"blank":  {"found an empty value in the variable VEDETTE_SECRET_BLANK"},
		"large":  {"more than 65536 bytes"},
		"folder": {"expected a regular file"},
		"pipe":   {"expected a regular file"},
		"..":     nil,
		"../x":   nil,
	} {
		got, err := s.Secret(name)
		for _, want := range append(says, "read secret") {
			if got != "" || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got %q and %v, want an error with %q", name, got, err, want)
			}
		}
	}
}

func TestSecretDirectoryMustBeADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "hunter2")
	for path, want := range map[string]string{"none": "no such file", "file": "expected a directory"} {
		if _, err := check.NewSecretStore(filepath.Join(dir, path), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	if _, err := (*check.SecretStore)(nil).Secret("API"); err == nil || !strings.Contains(err.Error(), "has no secrets") {
		t.Errorf("got %v without a store, want an error", err)
	}
	if _, err := check.NewSecretStore("", nil); err != nil {
		t.Errorf("got %v, want no error for a missing default directory", err)
	}
}
