package soak

import (
	"context"
	"fmt"
	"os/exec"
	"slices"

	"vedette/cmd/vedette/internal/harness"
)

// hosts are where the processes run: all on loopback or, with a prefix, each in
// its own network namespace, which testdata/namespaces.sh has created.
type hosts struct {
	prefix string // for namespaces
}

// hostNames are the namespaces in address order. The soak itself
// runs in the first.
func hostNames() []string { return []string{"hub", "n1", "n2", "n3", "s", "c1", "c2", "m1", "m2"} }

// address returns a host's IP address.
func (h hosts) address(name string) string {
	if h.prefix == "" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("10.213.0.%d", slices.Index(hostNames(), name)+1)
}

// command prepares this program on a host.
func (h hosts) command(name string, args ...string) (*exec.Cmd, error) {
	cmd, err := harness.Command(args...)
	if err != nil || h.prefix == "" {
		return cmd, err
	}
	return exec.Command("ip", append([]string{"netns", "exec", h.prefix + name}, cmd.Args...)...), nil //nolint:gosec,noctx // ip becomes this program
}

// link sets a host's network link up or down.
func (h hosts) link(ctx context.Context, name, state string) error {
	output, err := exec.CommandContext(ctx, "ip", "-n", h.prefix+name, "link", "set", "eth0", state).CombinedOutput() //nolint:gosec // with our own names
	if err != nil {
		return fmt.Errorf("set link of %s %s: %w: %s", name, state, err, output)
	}
	return nil
}
