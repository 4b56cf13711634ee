package e2e_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

const root = "../../../" // of the repository

// Everything that compose.yaml names exists.
func TestComposeFileNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	file := readCompose(t, root+"compose.yaml")
	secrets := filepath.Join(t.TempDir(), "secrets")
	if _, stderr, code := vedette(t, "auth", "init", secrets, "nats-1", "nats-2", "nats-3"); code != cli.ExitOK {
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
	if stdout, stderr, code := vedette(t, "validate", root+"testdata/compose.yaml"); code != cli.ExitOK {
		t.Errorf("got %d %s%s, want a good monitor file", code, stdout, stderr)
	}
}

// What testdata/compose.sh lays over compose.yaml must be about the same
// services and secrets.
func TestLocalImagesAreOfAllServices(t *testing.T) {
	t.Parallel()
	file := readCompose(t, root+"compose.yaml")
	local := readCompose(t, root+"testdata/compose.local.yaml")
	if got, want := slices.Sorted(maps.Keys(local.Services)), slices.Sorted(maps.Keys(file.Services)); !slices.Equal(got, want) {
		t.Errorf("got services %v, want %v", got, want)
	}
	for name, service := range local.Services {
		if !strings.HasSuffix(service.Image, "-local") {
			t.Errorf("%s: got the image %s, want one of this machine", name, service.Image)
		}
	}
	for name, secret := range file.Secrets {
		if got, want := filepath.Base(local.Secrets[name].File), filepath.Base(secret.File); got != want {
			t.Errorf("secret %s: got %s, want %s", name, got, want)
		}
	}
	if len(local.Secrets) != len(file.Secrets) {
		t.Errorf("got %d secrets, want %d", len(local.Secrets), len(file.Secrets))
	}
	if exec.Command("docker", "compose", "version").Run() != nil {
		return // it knows better whether the files fit, but needs no engine for that
	}
	cmd := exec.Command("docker", "compose", "-f", "compose.yaml", "-f", "testdata/compose.local.yaml", "config", "--quiet")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "VEDETTE_IMAGE="+t.TempDir(), "VEDETTE_SECRETS="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("got %v, want files that docker compose takes\n%s", err, out)
	}
}
