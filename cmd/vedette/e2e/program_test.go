package e2e_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the file with the program, which TestMain builds.
var program string

// buildProgram builds the program, with the race detector if the tests have it.
func buildProgram(dir string) error {
	program = filepath.Join(dir, "vedette")
	args := []string{"build", "-o", program}
	if race {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "..")...).CombinedOutput(); err != nil {
		return fmt.Errorf("build vedette: %w\n%s", err, out)
	}
	return nil
}

// vedette runs one command line.
func vedette(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
