package e2e_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// mails returns the catcher's page.
func (c *compound) mails() string {
	response, err := http.Get("http://" + c.addressOf("catcher") + ":8025/")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

func (c *compound) mailed(subject string) {
	c.t.Helper()
	eventually(c.t, "a mail "+subject, func() bool { return strings.Contains(c.mails(), "Subject: "+subject) })
}

// There is no Docker where tests run. The test runs the commands in compose.yaml as
// containers would, with their files, secrets, user and health checks.
func TestComposeFileRunsAnInstallation(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can give processes a separate root directory and user")
	}
	c := newCompound(t)
	c.start("catcher", "catcher")
	nodes := []string{"nats-1", "nats-2", "nats-3"}
	for _, name := range nodes {
		c.start(name, name)
	}
	for _, name := range nodes {
		c.healthy(name, c.up[name])
	}
	workers := map[string]string{"scheduler": "scheduler", "evaluate": "evaluate", "mail": "mail", "check": "check", "check-2": "check", "check-3": "check", "mail-2": "mail"}
	for name, service := range workers {
		c.start(service, name)
	}
	for name, service := range workers {
		c.healthy(service, c.up[name])
	}
	c.mailed("[DOWN] missing")
	c.up["nats-3"].stop(t)
	c.mailed("[DOWN] nats-3")
	c.start("nats-3", "nats-3")
	c.healthy("nats-3", c.up["nats-3"])
	c.mailed("[UP] nats-3")
	for name := range workers {
		k := c.up[name]
		k.stop(t)
		for _, wrong := range []string{"ermissions Violation", "level=ERROR", "read-only", "permission denied"} {
			if strings.Contains(k.output.String(), wrong) {
				t.Errorf("%s: got %s, want a process with sufficient rights", name, k.output)
			}
		}
	}
	for _, name := range nodes {
		_ = c.up[name].cmd.Process.Signal(syscall.SIGTERM) // all at once, as 'docker compose down' does
	}
	for name, k := range c.up {
		if found := k.written(t); len(found) > 0 {
			t.Errorf("%s: got %v written, want files only in its volume", name, found)
		}
	}
	for service, s := range c.file.Services {
		if s.Image == "vedette" && !s.ReadOnly {
			t.Errorf("%s: got a file system that can be written, want a read-only one", service)
		}
	}
}
