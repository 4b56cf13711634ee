package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"vedette/cmd/vedette/internal/cli"
)

// imageUser is the user of the images.
const imageUser = 10001

// compound is compose.yaml without Docker: each container is a process that sees
// nothing but what is in its image and what is mounted there, as the user of the
// image, who can write nothing but volumes. Its network is an address of its own
// on loopback, which the others know by its name.
type compound struct {
	t       *testing.T
	dir     string
	file    composeFile
	image   string // the directory of the binaries
	network string // the first three numbers of all addresses
	hosts   []string
	up      map[string]*container
}

// container is one that runs.
type container struct {
	*child

	name, root, address string
}

func newCompound(t *testing.T) *compound {
	t.Helper()
	c := &compound{t: t, dir: t.TempDir(), file: readCompose(t, root+"compose.yaml"), up: map[string]*container{}}
	c.image = filepath.Join(c.dir, "image")
	for name, source := range map[string]string{"vedette": "..", "catcher": "../../../testdata/catcher"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(c.image, name), source)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	if _, stderr, code := vedette(t, "auth", "init", filepath.Join(c.dir, "secrets"), "nats-1", "nats-2", "nats-3"); code != cli.ExitOK {
		t.Fatalf("got %d %s, want keys", code, stderr)
	}
	pid := os.Getpid()
	c.network = fmt.Sprintf("127.%d.%d.", 64+pid>>8%128, pid%256)
	for i, name := range append(slices.Sorted(maps.Keys(c.file.Services)), "missing") {
		c.hosts = append(c.hosts, c.network+strconv.Itoa(i+1)+" "+name)
	}
	return c
}

// addressOf is that by which others know a service.
func (c *compound) addressOf(service string) string {
	for _, line := range c.hosts {
		if address, name, _ := strings.Cut(line, " "); name == service {
			return address
		}
	}
	c.t.Fatalf("got no service %s in compose.yaml, want one", service)
	return ""
}

// root makes what a container of a service sees.
func (c *compound) root(service, name string) string {
	c.t.Helper()
	s := c.file.Services[service]
	root := filepath.Join(c.dir, name)
	put := func(path, text string, mode os.FileMode) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			c.t.Fatal(err)
		}
	}
	binary := "vedette"
	if service == "catcher" {
		binary = "catcher"
	}
	put("etc/hosts", strings.Join(append(c.hosts, "127.0.0.1 localhost\n"), "\n"), 0o444)
	put(binary, source(c.t, filepath.Join(c.image, binary)), 0o555)
	for _, secret := range s.Secrets {
		put("run/secrets/"+secret, source(c.t, filepath.Join(c.dir, c.file.Secrets[secret].File)), 0o444)
	}
	data := filepath.Join(root, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		c.t.Fatal(err)
	}
	for _, volume := range s.Volumes {
		from, to, _ := strings.Cut(volume, ":")
		if to == "/data" {
			if err := os.Chown(data, imageUser, imageUser); err != nil {
				c.t.Fatal(err)
			}
			continue
		}
		put(strings.TrimSuffix(to, ":ro"), source(c.t, filepath.Join("..", "..", "..", from)), 0o444)
	}
	return root
}

// command is a command line in a container.
func (k *container) command(args []string) *exec.Cmd {
	own := make([]string, len(args))
	for i, arg := range args { // its loopback, and all its addresses, are the one that it has
		own[i] = strings.NewReplacer("127.0.0.1", k.address, "0.0.0.0", k.address).Replace(arg)
	}
	cmd := exec.Command(own[0], own[1:]...)
	cmd.Dir, cmd.Env = "/data", []string{"PATH=/", "HOME=/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: k.root, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
	return cmd
}

// start starts a container of a service, or starts it again.
func (c *compound) start(service, name string) *container {
	c.t.Helper()
	k := c.up[name]
	if k == nil {
		k = &container{name: name, root: c.root(service, name), address: c.addressOf(service)}
		if name != service { // one of several, which has an address of its own
			k.address = c.network + strconv.Itoa(100+len(c.up))
		}
		c.up[name] = k
	}
	args := append([]string{"/vedette"}, c.file.Services[service].Command...)
	if service == "catcher" {
		args = []string{"/catcher", "0.0.0.0"}
	}
	k.child = spawnCommand(c.t, k.command(args))
	return k
}

// healthy waits until the service's own health check says that a container is.
func (c *compound) healthy(service string, k *container) {
	c.t.Helper()
	check := c.file.Services[service].Healthcheck.Test
	eventually(c.t, "a healthy "+k.name, func() bool {
		if k.cmd.ProcessState != nil {
			c.t.Fatalf("%s: got its end, want it to run:\n%s", k.name, k.output)
		}
		return k.command(check[1:]).Run() == nil
	})
}

// written are the files of a container that were not there when it was made.
func (k *container) written(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(k.root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if inside := strings.TrimPrefix(path, k.root); ok && stat.Uid == imageUser && !strings.HasPrefix(inside, "/data") {
			found = append(found, inside)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
