package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// composeFile is what the test reads of compose.yaml.
type composeFile struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Secrets     []string
		Volumes     []string
		Healthcheck struct{ Test []string }
	}
	Volumes map[string]any
	Secrets map[string]struct{ File string }
}

// There is no Docker where tests run, so what can be tried without it is: every
// command line is one, and everything that it names is there.
func TestComposeFileNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	const root = "../../"
	text, err := os.ReadFile(root + "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(t.TempDir(), "secrets")
	if _, stderr, code := vedette(t, "auth", "init", secrets, "nats-1", "nats-2", "nats-3"); code != exitOK {
		t.Fatalf("got %d %s, want keys", code, stderr)
	}
	for name, secret := range file.Secrets {
		if _, err := os.Stat(filepath.Join(filepath.Dir(secrets), secret.File)); err != nil {
			t.Errorf("secret %s: got %v, want a file that 'vedette auth init' makes", name, err)
		}
	}
	ours := 0
	for name, service := range file.Services {
		if service.Image != "vedette" {
			continue
		}
		ours++
		for _, args := range [][]string{service.Command, service.Healthcheck.Test[2:]} {
			parses(t, name, args)
		}
		for _, secret := range service.Secrets {
			if _, ok := file.Secrets[secret]; !ok {
				t.Errorf("%s: got the secret %s, want one that is there", name, secret)
			}
			if !slices.ContainsFunc(service.Command, func(arg string) bool { return strings.HasSuffix(arg, "=/run/secrets/"+secret) }) {
				t.Errorf("%s: got no use of the secret %s, want one", name, secret)
			}
		}
		for _, arg := range service.Command {
			if _, secret, ok := strings.Cut(arg, "=/run/secrets/"); ok && !slices.Contains(service.Secrets, secret) {
				t.Errorf("%s: got %s, want a secret that it is given", name, arg)
			}
		}
		for _, volume := range service.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			_, named := file.Volumes[from]
			if _, err := os.Stat(root + from); err != nil && !named {
				t.Errorf("%s: got the volume %s, want one that is there", name, from)
			}
		}
	}
	if ours != 7 {
		t.Errorf("got %d services of ours, want three nodes and four kinds of workers", ours)
	}
	if stdout, stderr, code := vedette(t, "validate", root+"testdata/compose.yaml"); code != exitOK {
		t.Errorf("got %d %s%s, want a good monitor file", code, stdout, stderr)
	}
}

// parses checks that a command line has a command, which knows its flags and
// arguments.
func parses(t *testing.T, service string, args []string) {
	t.Helper()
	cmd, rest, err := rootCommand(io.Discard, io.Discard).Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil || !cmd.HasParent() {
		t.Errorf("%s: got %v, want a command line, found %v", service, err, args)
	}
}
