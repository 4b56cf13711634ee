package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

// walled is a server whose users are those of 'vedette auth init', and the
// processes that log in there.
type walled struct {
	t                    *testing.T
	dir, secrets, listen string
	file                 string
	names                topology.Names
	children             map[string]*child
}

func newWalled(t *testing.T, yaml string) *walled {
	t.Helper()
	g := &walled{t: t, dir: t.TempDir(), listen: lastingAddress(t), names: topology.Names{Prefix: "vedette"}, children: map[string]*child{}}
	g.secrets, g.file = filepath.Join(g.dir, "secrets"), filepath.Join(g.dir, "monitors.yaml")
	if err := os.WriteFile(g.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := vedette(t, "auth", "init", g.secrets, "n1", "--location", "default,fra"); code != 0 {
		t.Fatalf("make users: got %d %s", code, stderr)
	}
	health := lastingAddress(t)
	g.children["server"] = spawn(t, g.dir, "server", "--listen", g.listen, "--http", health, "--users", filepath.Join(g.secrets, "users.conf"),
		"--tls-cert", filepath.Join(g.secrets, "n1.pem"), "--tls-key", filepath.Join(g.secrets, "n1.key"))
	eventually(t, "a ready server", func() bool { return answers("http://" + health + "/readyz") })
	return g
}

// as are the flags by which a user logs in.
func (g *walled) as(user rights.User) []string {
	name := rights.UserName(g.names, user)
	return []string{"--nats", "tls://" + name + "@" + g.listen, "--nats-ca", filepath.Join(g.secrets, "ca.pem"), "--nats-password-file", filepath.Join(g.secrets, name+".password")}
}

// start starts a process, and waits until it does its work.
func (g *walled) start(name string, user rights.User, args ...string) {
	g.t.Helper()
	health := lastingAddress(g.t)
	args = append(append(args, g.as(user)...), "--data", g.t.TempDir(), "--http", health, g.file)
	g.children[name] = spawn(g.t, g.dir, args...)
	eventually(g.t, "a ready "+name, func() bool { return answers("http://" + health + "/readyz") })
}

// says is what a command of a user says.
func (g *walled) says(role rights.Role, args ...string) string {
	g.t.Helper()
	stdout, stderr, code := vedette(g.t, append(args, g.as(rights.User{Role: role})...)...)
	if code > cli.ExitFound || stderr != "" {
		g.t.Errorf("vedette %v as %s: got %d %s%s, want it done", args, role, code, stdout, stderr)
	}
	return stdout
}

// consumers are the lasting ones of each stream.
func (g *walled) consumers() map[string][]string {
	g.t.Helper()
	operator := rights.UserName(g.names, rights.User{Role: rights.Admin})
	password := strings.TrimSpace(source(g.t, filepath.Join(g.secrets, operator+".password")))
	conn, err := nats.Connect("tls://"+g.listen, nats.UserInfo(operator, password), nats.RootCAs(filepath.Join(g.secrets, "ca.pem")), nats.CustomInboxPrefix("_INBOX."+operator))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		g.t.Fatal(err)
	}
	found := map[string][]string{}
	for _, name := range streamsOf(g.names) {
		stream, err := js.Stream(within(g.t), name)
		if err != nil {
			g.t.Fatal(err)
		}
		list := stream.ListConsumers(within(g.t))
		for info := range list.Info() {
			if info.Config.Durable != "" {
				found[name] = append(found[name], info.Name)
			}
		}
		if list.Err() != nil {
			g.t.Fatal(list.Err())
		}
		slices.Sort(found[name])
	}
	return found
}

// TestEachUserDoesItsWorkEndToEnd runs a process for each role, under the user
// that 'vedette auth init' makes for it and nothing else, by TLS.
func TestEachUserDoesItsWorkEndToEnd(t *testing.T) {
	t.Parallel()
	box, site := newInbox(t), newTarget(t)
	g := newWalled(t, fmt.Sprintf(`
recipients: {ops: ops@example.org, boss: boss@example.org}
operators: [boss]
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, failure_threshold: 2, retry_interval: 300ms, success_threshold: 1, flapping: false, notify: ops}
monitors:
  - {name: router, http: %q, failure_threshold: 1}
  - {name: site, http: %q, depends_on: router}
  - {name: backup, heartbeat: {token: "0123456789abcdef0123456789abcdef", interval: 1h}}
`, box.Relay(), site.url, site.url))
	operator := rights.User{Role: rights.Admin}
	g.start("maintain", operator, "run", "--stages", "maintain") // installs, applies the file, and shows all
	for role, user := range map[string]rights.User{
		"schedule": {Role: rights.Scheduler}, "check": {Role: rights.CheckWorker}, "evaluate": {Role: rights.Evaluator},
		"notify": {Role: rights.Notifier}, "mail": {Role: rights.MailWorker},
	} {
		g.start(role, user, "worker", "--stages", role)
	}
	g.start("check in fra", rights.User{Role: rights.CheckWorker, Location: "fra"}, "worker", "--location", "fra")

	site.setIll(true) // scheduler, check worker, evaluator, notifier with a check of what others depend on, mail worker
	eventually(t, "a DOWN mail", func() bool { return box.Count("ops@example.org", "[DOWN]") >= 1 })
	site.setIll(false)
	eventually(t, "an UP mail", func() bool { return box.Count("ops@example.org", "[UP]") >= 1 })

	for _, location := range []string{"default", "fra"} {
		if said := g.says(rights.Publisher, "enqueue", "check", site.url, "--location", location, "--wait", "30s"); !strings.Contains(said, "is UP") {
			t.Errorf("%s: got %s, want a check by order", location, said)
		}
	}
	g.says(rights.Publisher, "enqueue", "mail", "--to", "you@example.org", "--subject", "x", "--text", "x", "--wait", "30s", "--id", "m1")
	g.says(rights.Publisher, "outcome", "mail", "m1")
	g.says(rights.Publisher, "enqueue", "mail", "--to", "you@example.org", "--subject", "y", "--text", "y", "--id", "m2")
	g.says(rights.Publisher, "mail", "send", "--to", "you@example.org", "--subject", "z", "--text", "z")
	g.dies("vedette.mail.adhoc.bad", "{") // a dead letter, which the admin's process reports
	eventually(t, "word of the dead letter", func() bool { return box.Holds("boss@example.org", "mail.adhoc.bad") })

	for _, args := range [][]string{{"status"}, {"explain", "site"}, {"silence", "list"}, {"dead", "list"}, {"mail", "log"}} {
		g.says(rights.Viewer, args...)
	}
	if said := g.says(rights.Viewer, "ps"); strings.Count(said, " presence ") != 7 {
		t.Errorf("got %s, want all seven processes", said)
	}
	for _, args := range [][]string{{"silence", "add", "monitor=site", "--for", "1h"}, {"apply", g.file}, {"dead", "replay", "--all"}, {"dead", "drop", "--all"}} {
		g.says(rights.Admin, args...)
	}
	want := consumersOf()
	for _, names := range want {
		slices.Sort(names)
	}
	if got := fmt.Sprint(g.consumers()); got != fmt.Sprint(want) {
		t.Errorf("got consumers %s, want those of which the test of rights knows: %v", got, want)
	}
	for name, c := range g.children {
		if name == "server" {
			continue
		}
		c.stop(t)
		for _, wrong := range []string{"ermissions Violation", "level=ERROR"} {
			if strings.Contains(c.output.String(), wrong) && !strings.Contains(c.output.String(), "mail.adhoc.bad") {
				t.Errorf("%s: got %s, want a process that may do what it must", name, c.output)
			}
		}
	}
	g.children["server"].stop(t)
}

// dies publishes what is no job.
func (g *walled) dies(subject, body string) {
	g.t.Helper()
	publisher := rights.UserName(g.names, rights.User{Role: rights.Publisher})
	password := strings.TrimSpace(source(g.t, filepath.Join(g.secrets, publisher+".password")))
	conn, err := nats.Connect("tls://"+g.listen, nats.UserInfo(publisher, password), nats.RootCAs(filepath.Join(g.secrets, "ca.pem")))
	if err != nil {
		g.t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Publish(subject, []byte(body)); err != nil {
		g.t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		g.t.Fatal(err)
	}
}
