package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

// lastingAddress returns an address that stays free while its server is down: the
// port is below the range for outgoing connections.
func lastingAddress(t *testing.T) string {
	t.Helper()
	address := ""
	eventually(t, "a free port", func() bool {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(20_000)))
		if _, taken := lastingAddresses.LoadOrStore(address, true); taken {
			return false
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return false
		}
		_ = listener.Close()
		return true
	})
	return address
}

// lastingAddresses are the ones that tests in this process have got.
var lastingAddresses sync.Map

// child is a vedette command in a separate process.
type child struct {
	cmd    *exec.Cmd
	output *lockedBuffer
}

// spawn starts a command in a directory. It is killed at the end of the test at the
// latest.
func spawn(t *testing.T, dir string, args ...string) *child {
	t.Helper()
	return spawnProgram(t, program, dir, args...)
}

// spawnProgram is spawn with another build.
func spawnProgram(t *testing.T, program, dir string, args ...string) *child {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = append(os.Environ(), "NATS_URL="), dir
	return spawnCommand(t, cmd)
}

// spawnCommand is spawn with a prepared command.
func spawnCommand(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{cmd: cmd, output: &lockedBuffer{}}
	c.cmd.Stdout, c.cmd.Stderr = c.output, c.output
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
		if t.Failed() {
			t.Logf("output of %v:\n%s", cmd.Args[1:], c.output)
		}
	})
	return c
}

func (c *child) says(t *testing.T, part string) {
	t.Helper()
	eventually(t, "word of "+part, func() bool { return strings.Contains(c.output.String(), part) })
}

// stop terminates the process and checks that it stops cleanly.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(c.cmd, 2*patience); err != nil || !strings.Contains(c.output.String(), "stopped cleanly") {
		t.Errorf("got %v, want a clean stop after SIGTERM\n%s", err, c.output)
	}
}

// clusterNode has the addresses of a cluster node.
type clusterNode struct{ name, listen, routes, http string }

func clusterNodes(t *testing.T) []clusterNode {
	t.Helper()
	var nodes []clusterNode
	for i := range 3 {
		nodes = append(nodes, clusterNode{fmt.Sprintf("n%d", i+1), lastingAddress(t), lastingAddress(t), lastingAddress(t)})
	}
	return nodes
}

// args returns the flags for a node's server, with the keys in the directory.
func (n clusterNode) args(nodes []clusterNode) []string {
	var routes []string
	for _, other := range nodes {
		routes = append(routes, "nats://"+other.routes)
	}
	return []string{
		"server", "--data", n.name, "--name", n.name, "--listen", n.listen, "--http", n.http,
		"--cluster", n.routes, "--routes", strings.Join(routes, ","), "--users", "secrets/users.conf",
		"--tls-cert", "secrets/" + n.name + ".pem", "--tls-key", "secrets/" + n.name + ".key", "--tls-ca", "secrets/ca.pem",
	}
}

func (n clusterNode) ready() bool { return answers("http://" + n.http + "/readyz") }

func answers(url string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// as are the flags by which a client logs in as a role's user.
func as(nodes []clusterNode, role rights.Role) []string {
	user := rights.UserName(topology.Names{Prefix: "vedette"}, rights.User{Role: role})
	var urls []string
	for _, n := range nodes {
		urls = append(urls, "tls://"+user+"@"+n.listen)
	}
	return []string{"--nats", strings.Join(urls, ","), "--nats-ca", "secrets/ca.pem", "--nats-password-file", "secrets/" + user + ".password"}
}

// A whole installation, each process with only the rights it needs: three nodes
// that authenticate each other, and workers that log in.
func TestClusterWorksOverTLS(t *testing.T) {
	t.Parallel()
	dir, box := t.TempDir(), newInbox(t)
	file := filepath.Join(dir, "monitors.yaml")
	yaml := fmt.Sprintf(`
recipients: {ops: ops@example.org}
server: {replicas: 3}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
defaults: {interval: 1s, timeout: 800ms, failure_threshold: 1, notify: ops}
monitors:
  - {name: nobody, tcp: %q}
`, box.Relay(), freeAddress(t))
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := vedette(t, "auth", "init", filepath.Join(dir, "secrets"), "n1", "n2", "n3"); code != 0 {
		t.Fatalf("make keys: got %d %s", code, stderr)
	}
	nodes := clusterNodes(t)
	early := spawn(t, dir, append([]string{"worker", "--concurrency", "5", "--http", lastingAddress(t)}, as(nodes, rights.CheckWorker)...)...)
	var servers []*child
	for _, n := range nodes {
		servers = append(servers, spawn(t, dir, n.args(nodes)...))
	}
	for _, n := range nodes {
		eventually(t, "a ready "+n.name, n.ready)
	}
	checkStrangers(t, dir, nodes)
	early.says(t, "waiting for 'vedette run FILE'")
	scheduler := spawn(t, dir, append(append([]string{"run", "--http", lastingAddress(t), "--stages", "schedule,maintain,evaluate,notify"}, as(nodes, rights.Admin)...), file)...)
	mails := spawn(t, dir, append(append([]string{"worker", "--stages", "mail"}, as(nodes, rights.MailWorker)...), file)...)
	eventually(t, "a DOWN mail", func() bool { return box.Count("ops@example.org", "[DOWN]") == 1 })

	for _, p := range []*child{mails, early, scheduler} {
		p.stop(t)
		for _, wrong := range []string{"ermissions Violation", "level=ERROR"} {
			if strings.Contains(p.output.String(), wrong) {
				t.Errorf("got %q, want a process with sufficient rights", p.output)
			}
		}
	}
	for _, p := range servers {
		p.stop(t)
	}
}

// checkStrangers checks the errors for clients with another CA or another password.
func checkStrangers(t *testing.T, dir string, nodes []clusterNode) {
	t.Helper()
	others := filepath.Join(dir, "others")
	if _, stderr, code := vedette(t, "auth", "init", others, "n1"); code != 0 {
		t.Fatalf("make keys: got %d %s", code, stderr)
	}
	for _, c := range []struct{ ca, password, want string }{
		{others, others, "set --nats-ca to the CA"},
		{filepath.Join(dir, "secrets"), others, "the username belongs in the URL"},
	} {
		_, stderr, code := vedette(t, "ps", "--nats", "tls://vedette-viewer@"+nodes[0].listen,
			"--nats-ca", filepath.Join(c.ca, "ca.pem"), "--nats-password-file", filepath.Join(c.password, "vedette-viewer.password"))
		if code != cli.ExitFailed || !strings.Contains(stderr, c.want) {
			t.Errorf("got %d %s, want %q", code, stderr, c.want)
		}
	}
}

func TestNodeWithForeignCertificateDoesNotJoin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, nodes := range map[string][]string{"secrets": {"n1", "n2", "n3"}, "others": {"n4"}} {
		if _, stderr, code := vedette(t, append([]string{"auth", "init", filepath.Join(dir, name)}, nodes...)...); code != 0 {
			t.Fatalf("make keys: got %d %s", code, stderr)
		}
	}
	nodes := clusterNodes(t)
	var last *child
	for _, n := range nodes {
		last = spawn(t, dir, n.args(nodes)...)
	}
	for _, n := range nodes {
		eventually(t, "a ready "+n.name, n.ready)
	}
	stranger := clusterNode{"n4", lastingAddress(t), lastingAddress(t), lastingAddress(t)}
	args := stranger.args(nodes)
	for i, arg := range args {
		args[i] = strings.Replace(arg, "secrets/n4", "others/n4", 1) // it trusts the others, but they do not trust it
	}
	spawn(t, dir, args...)
	last.says(t, "certificate signed by unknown authority")
	if stranger.ready() {
		t.Error("got a stranger in the cluster, want it to stay out")
	}
}

func TestServerReportsItsHealth(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), lastingAddress(t)
	server := spawn(t, dir, "server", "--listen", lastingAddress(t), "--http", address)
	eventually(t, "a ready server", func() bool { return answers("http://" + address + "/readyz") })
	for _, path := range []string{"/healthz", "/varz", "/jsz", "/routez"} {
		if !answers("http://" + address + path) {
			t.Errorf("%s: got no answer, want one", path)
		}
	}
	server.stop(t)
}

func TestWorkerReloadsItsLimitsAtSIGHUP(t *testing.T) {
	t.Parallel()
	dir, address, health := t.TempDir(), lastingAddress(t), lastingAddress(t)
	file := write(t, dir, "workers: {adhoc: 7}\n")
	server := spawn(t, dir, "server", "--listen", lastingAddress(t), "--http", address)
	eventually(t, "a ready server", func() bool { return answers("http://" + address + "/readyz") })
	url := mustURL(t, dir)
	run := spawn(t, dir, "run", "--stages", "schedule", "--nats", url, "--http", lastingAddress(t), write(t, t.TempDir(), "monitors: []\n"))
	worker := spawn(t, dir, "worker", "--nats", url, "--location", "fra", "--http", health, file)
	eventually(t, "a ready worker", func() bool { return answers("http://" + health + "/readyz") })
	shows := func(limit string) func() bool {
		return func() bool {
			stdout, _, _ := vedette(t, "ps", "--tree", "--nats", url)
			return regexp.MustCompile(`adhoc-fra +running.* 0/` + limit + `\b`).MatchString(stdout)
		}
	}
	eventually(t, "a limit of 7", shows("7"))
	write(t, dir, "workers: {adhoc: 9}\n")
	if err := worker.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a limit of 9", shows("9"))
	for _, p := range []*child{worker, run, server} {
		p.stop(t)
	}
}

// mustURL returns the URL that a single server writes for commands on its machine.
func mustURL(t *testing.T, dir string) string {
	t.Helper()
	url, err := os.ReadFile(filepath.Join(dir, "vedette-data", "nats.url"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(url))
}

func write(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "monitors.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServerRefusesInvalidFlags(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	users := filepath.Join(t.TempDir(), "users.conf")
	if err := os.WriteFile(users, []byte("authorization { user: a, password: b }"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := []string{"--users", users, "--routes", "nats://127.0.0.1:1", "--cluster"}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"reached in clear text":       {[]string{"--listen", "0.0.0.0:4222"}, cli.ExitUsage, []string{"listen on 0.0.0.0:4222: other machines can reach it", "hint: 'vedette auth init'", "--insecure"}},
		"of every interface":          {[]string{"--listen", ":4222"}, cli.ExitUsage, []string{"listen on :4222: other machines can reach it"}},
		"nodes in clear text":         {append(node, "192.0.2.1:6222"), cli.ExitUsage, []string{"listen on 192.0.2.1:6222: other machines can reach it"}},
		"a cluster without users":     {[]string{"--cluster", "127.0.0.1:0", "--routes", "nats://127.0.0.1:1"}, cli.ExitUsage, []string{"read --users", "hint: 'vedette roles'"}},
		"a cluster without routes":    {[]string{"--cluster", "127.0.0.1:0", "--users", users}, cli.ExitUsage, []string{"read --routes"}},
		"an invalid route":            {[]string{"--cluster", "127.0.0.1:0", "--users", users, "--routes", "n1"}, cli.ExitUsage, []string{`found "n1", expected nats://host:port`}},
		"routes without a cluster":    {[]string{"--routes", "nats://127.0.0.1:1"}, cli.ExitUsage, []string{"found no --cluster"}},
		"half a certificate":          {[]string{"--tls-cert", "x"}, cli.ExitUsage, []string{"expected both"}},
		"a certificate without CA":    {append(node, "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "y"), cli.ExitUsage, []string{"read --tls-ca"}},
		"a certificate that is none":  {[]string{"--tls-cert", users, "--tls-key", users}, cli.ExitFailed, []string{"read certificate of the NATS server"}},
		"no address":                  {[]string{"--listen", "4222"}, cli.ExitUsage, []string{`read --listen: found "4222"`}},
		"a taken port":                {[]string{"--listen", taken.Addr().String()}, cli.ExitFailed, []string{taken.Addr().String() + ": address is in use", "--listen"}},
		"a taken port of nodes":       {append(node, taken.Addr().String()), cli.ExitFailed, []string{taken.Addr().String() + ": address is in use", "--cluster"}},
		"a taken port of the health":  {[]string{"--http", taken.Addr().String()}, cli.ExitFailed, []string{"address already in use"}},
		"a file that is not of users": {[]string{"--users", write(t, t.TempDir(), "port: 1")}, cli.ExitUsage, []string{`found "port"`, "hint: 'vedette roles'"}},
	} {
		args := append([]string{"server", "--data", t.TempDir(), "--http", "", "--listen", "127.0.0.1:0"}, c.args...)
		_, stderr, code := vedette(t, args...)
		if code != c.code {
			t.Errorf("%s: got exit code %d, want %d", name, code, c.code)
		}
		for _, part := range append(c.says, "vedette: ", "hint: ") {
			if !strings.Contains(stderr, part) && (part != "hint: " || c.code != cli.ExitFailed) {
				t.Errorf("%s: got %s, want %q", name, stderr, part)
			}
		}
	}
}

func TestInsecureServerWarnsAtEachStart(t *testing.T) {
	t.Parallel()
	server := spawn(t, t.TempDir(), "server", "--insecure", "--http", "", "--listen", "0.0.0.0:0")
	server.says(t, "vedette serves NATS")
	server.says(t, "warning: --insecure: anyone who can reach 0.0.0.0:0 can read all traffic")
	server.stop(t)
}

func TestAddingNodesKeepsKeys(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	first, _, code := vedette(t, "auth", "init", dir, "n1")
	if code != 0 || !strings.Contains(first, "n1.pem") {
		t.Fatalf("got %d %s, want the files that were made", code, first)
	}
	second, stderr, code := vedette(t, "auth", "init", dir, "n1", "192.0.2.7")
	if want := filepath.Join(dir, "192.0.2.7.key") + "\n" + filepath.Join(dir, "192.0.2.7.pem") + "\n"; code != 0 || second != want {
		t.Errorf("got %d %s %s, want only the new node's", code, second, stderr)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v %v, want a directory for its owner only", info, err)
	}
	for _, name := range []string{"ca", "../n2", ""} {
		if _, stderr, code := vedette(t, "auth", "init", dir, name); code != cli.ExitUsage || !strings.Contains(stderr, "read NODE") {
			t.Errorf("%q: got %d %s, want a refusal", name, code, stderr)
		}
	}
}

func TestWorkerRefusesInvalidFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no server":           {nil, "read --nats"},
		"an unknown stage":    {[]string{"--nats", "nats://127.0.0.1:1", "--stages", "page"}, `found "page"`},
		"an invalid location": {[]string{"--nats", "nats://127.0.0.1:1", "--location", "a.b"}, "read --location"},
		"a negative number":   {[]string{"--nats", "nats://127.0.0.1:1", "--concurrency", "-1"}, "read --concurrency"},
		"mail without relays": {[]string{"--nats", "nats://127.0.0.1:1", "--stages", "mail"}, "found no relay"},
		"a user without name": {[]string{"--nats", "nats://127.0.0.1:1", "--nats-password-file", os.DevNull}, "found a password without a user"},
	} {
		t.Setenv("NATS_URL", "")
		_, stderr, code := vedette(t, append([]string{"worker"}, c.args...)...)
		if code != cli.ExitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: got %d %s, want %d and %q", name, code, stderr, cli.ExitUsage, c.says)
		}
	}
}
