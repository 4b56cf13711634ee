package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
)

// foreignMessages matches messages in cobra's and pflag's words.
var foreignMessages = regexp.MustCompile(`accepts |requires at|unknown (shorthand )?(flag|command)|required flag|needs an argument|invalid argument|bad flag`)

// allCommands returns all commands that a user can see.
func allCommands(parent *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{parent}
	for _, cmd := range parent.Commands() {
		if !cmd.Hidden {
			all = append(all, allCommands(cmd)...)
		}
	}
	return all
}

// commandPath returns the arguments that select a command.
func commandPath(cmd *cobra.Command) []string { return strings.Fields(cmd.CommandPath())[1:] }

// wrongUses returns command lines that a command must refuse.
func wrongUses(cmd *cobra.Command) [][]string {
	uses := [][]string{{"--bogus"}, {"-?"}}
	for _, flag := range []string{"--wait=x", "--limit=x", "--window=x", "--data"} {
		if name, _, _ := strings.Cut(flag[2:], "="); cmd.Flags().Lookup(name) != nil {
			uses = append(uses, []string{flag})
		}
	}
	if cmd.HasSubCommands() {
		return append(uses, []string{"bogus"}, []string{"bogus", "--bogus"})
	}
	for _, args := range [][]string{{}, {"a"}, {"a", "b"}, {"a", "b", "c"}} {
		if cmd.Args != nil && cmd.Args(cmd, args) != nil {
			uses = append(uses, args)
		}
	}
	return uses
}

func TestEveryCommandRefusesWrongUse(t *testing.T) {
	t.Parallel()
	root := rootCommand(io.Discard, io.Discard)
	root.InitDefaultCompletionCmd()
	for _, cmd := range allCommands(root) {
		for _, use := range wrongUses(cmd) {
			args := append(commandPath(cmd), use...)
			stdout, stderr, code := execute(t, args...)
			if code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, ": found ") || !strings.Contains(stderr, ", expected ") || !strings.Contains(stderr, "hint: ") {
				t.Errorf("%q: got code %d, %q and %q, want %d and a hint", args, code, stdout, stderr, cli.ExitUsage)
			}
			if found := foreignMessages.FindString(stderr); found != "" {
				t.Errorf("%q: got %q in %q, want our own words", args, found, stderr)
			}
			for line := range strings.Lines(stderr) {
				if !strings.HasPrefix(line, "vedette: ") && !strings.HasPrefix(line, "hint: ") {
					t.Errorf("%q: got the line %q, want vedette: or hint: before it", args, line)
				}
			}
		}
	}
}

// instanceArguments has valid arguments for each command that needs an instance.
func instanceArguments(file string) map[string][]string {
	mail := []string{"--to", "a@example.org", "--subject", "x", "--text", "x"}
	return map[string][]string{
		"apply": {file}, "dead drop": {"1"}, "dead list": nil, "dead replay": {"--all"}, "dead show": {"1"}, "doctor": nil,
		"enqueue check": {"127.0.0.1:1"}, "enqueue mail": mail, "env": nil, "explain": {"x"}, "mail log": nil, "mail send": mail,
		"outcome": {"check", "x"}, "ps": nil, "silence add": {"monitor=x", "--for", "1h"}, "silence expire": {"x"}, "silence list": nil, "status": nil,
	}
}

func TestEveryCommandFailsWithoutAnInstance(t *testing.T) {
	if os.Getenv("NATS_URL") != "" {
		t.Fatal("got NATS_URL in the environment, want none: it names an instance")
	}
	t.Parallel()
	known := instanceArguments(filepath.Join("..", "..", "testdata", "demo.yaml"))
	for _, cmd := range allCommands(rootCommand(io.Discard, io.Discard)) {
		if flag := cmd.Flags().Lookup("data"); flag == nil || !strings.Contains(flag.Usage, "running instance") {
			continue
		}
		name := strings.Join(commandPath(cmd), " ")
		args, ok := known[name]
		if !ok {
			t.Errorf("%s: got no arguments for it in this test, want some", name)
		}
		delete(known, name)
		args = append(append(commandPath(cmd), args...), "--data", t.TempDir())
		stdout, stderr, code := execute(t, args...)
		if code != cli.ExitFailed || stdout != "" || !strings.Contains(stderr, "hint: start an instance with 'vedette run FILE'") {
			t.Errorf("%q: got code %d, %q and %q, want %d and a hint", args, code, stdout, stderr, cli.ExitFailed)
		}
	}
	for name := range known {
		t.Errorf("%s: got arguments, want a command that needs an instance", name)
	}
	url := "nats://" + closedAddress()
	if stdout, _, code := execute(t, "env", "--nats", url); code != cli.ExitOK || stdout != "export NATS_URL="+url+"\n" {
		t.Errorf("got %d %s, want the given URL", code, stdout)
	}
}

func TestWrongFilesAndFlagsExitWithAUsageError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("monitors: [{name: x}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(dir, "none")
	for _, line := range []string{
		"validate BAD", "apply BAD", "run BAD", "mail test BAD", "worker --nats nats://127.0.0.1:1 BAD",
		"validate NONE", "apply NONE", "run NONE", "mail test NONE", "worker --nats nats://127.0.0.1:1 NONE",
		"mail test ../../testdata/demo.yaml", "mail send --to a@example.org --attach NONE --text x", "check --secrets NONE http://x",
		"ps --tree --json", "ps --nats nats://127.0.0.1:1 --nats-creds NONE", "status --nats nats://127.0.0.1:1 --nats-cert NONE",
		"dead list --stage x --reason y", "dead list --limit 0", "dead show x", "dead drop", "dead replay --all 1", "dead replay 1 --rate 0",
		"doctor --window 1ms", "outcome ping x", "roles boss", "roles --location a.b", "auth init NONE ca",
		"silence add x --for 1h", "silence add monitor=x", "silence add monitor=x --until noon",
		"enqueue check ftp://x", "enqueue check --location a.b http://x", "help bogus", "server --listen 4222", "server --log-level loud",
	} {
		args := strings.Fields(strings.NewReplacer("BAD", bad, "NONE", none).Replace(line))
		if stdout, stderr, code := execute(t, args...); code != cli.ExitUsage || stdout != "" || !strings.Contains(stderr, "vedette: ") {
			t.Errorf("%q: got code %d, %q and %q, want %d", args, code, stdout, stderr, cli.ExitUsage)
		}
	}
}

func TestEachPartOfAnErrorIsPrintedInItsContext(t *testing.T) {
	t.Parallel()
	_, stderr, code := execute(t, "check", "--parallel", "0", "ftp://x")
	want := "vedette: read --parallel: found 0, expected 1 or more\nvedette: read target: "
	if code != cli.ExitUsage || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "hint: ") != 1 {
		t.Errorf("got %d %q, want %q", code, stderr, want)
	}
}
