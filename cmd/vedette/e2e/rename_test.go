package e2e_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A copy of the module that is published below a host has another path: see
// .ci/rename-module.
func TestRenamedModuleBuilds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	copySources(t, "../../..", dir)
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	const path = "example.org/x/vedette"
	run(filepath.Join(dir, ".ci", "rename-module"), path)
	run("go", "build", "./...")
	run("go", "vet", "./producer")
	for name := range strings.Lines(run("go", "list", "-deps", "./...")) {
		if strings.HasPrefix(name, "vedette/") {
			t.Errorf("found the package %s, expected it below %s", name, path)
		}
	}
	linter, err := os.ReadFile(filepath.Join(dir, ".golangci.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(linter); !strings.Contains(text, path+"/producer") || strings.Contains(text, " vedette/") {
		t.Error("the linter's rules name the old path, or none")
	}
}

func TestRenameRequiresAPathBelowAHost(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "vedette", "https://example.org/x", "example.org/x y", "example.org"} {
		out, err := exec.CommandContext(t.Context(), "../../../.ci/rename-module", path).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "expected one path") {
			t.Errorf("rename to %q: got %v, %s", path, err, out)
		}
	}
}

// copySources copies the files in the repository.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	left := []string{".git", "vedette-data", "secrets"}
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case slices.Contains(left, name) && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o750)
		case !entry.Type().IsRegular() || slices.Contains(left, name): // a worktree's .git is a file
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, info.Mode().Perm()|0o200)
	})
	if err != nil {
		t.Fatal(err)
	}
}
