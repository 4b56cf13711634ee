package soak

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
)

// soakHosts are where the processes of a soak run: all on loopback or, with a
// prefix, each in a network namespace of its own, which testdata/namespaces.sh
// has made.
type soakHosts struct {
	prefix string // of the namespaces' names
	self   string // this program
}

// hostNames are those of the namespaces, in the order of their addresses. The
// soak itself runs in the first.
func hostNames() []string { return []string{"hub", "n1", "n2", "n3", "s", "c1", "c2", "m1", "m2"} }

// address is where a host can be reached: in its own network no address is
// anybody else's.
func (h soakHosts) address(name string) string {
	if h.prefix == "" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("10.213.0.%d", slices.Index(hostNames(), name)+1)
}

// command runs this program on a host.
func (h soakHosts) command(name string, args []string) *exec.Cmd {
	if h.prefix == "" {
		return exec.Command(h.self, args...) //nolint:gosec,noctx // this program itself, which is ended in several ways
	}
	inside := append([]string{"netns", "exec", h.prefix + name, h.self}, args...)
	return exec.Command("ip", inside...) //nolint:gosec,noctx // the same; ip becomes this program
}

// link cuts a host off from all others, or connects it again.
func (h soakHosts) link(ctx context.Context, name, state string) error {
	output, err := exec.CommandContext(ctx, "ip", "-n", h.prefix+name, "link", "set", "eth0", state).CombinedOutput() //nolint:gosec // of the names that we chose
	if err != nil {
		return fmt.Errorf("set link of %s %s: %w: %s", name, state, err, output)
	}
	return nil
}
