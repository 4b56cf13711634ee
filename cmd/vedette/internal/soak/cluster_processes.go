package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"vedette/cmd/vedette/internal/harness"
	"vedette/cmd/vedette/internal/keys"
	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

// clusterProcesses are the nodes, the scheduler and the workers.
type clusterProcesses struct {
	processes

	debug         bool // log everything
	nodes         []*node
	scheduler     *harness.Process
	checks, mails []*harness.Process
	file          string
	portsTried    int
	started       int // workers
}

// monitorsFile has one scheduled monitor in addition to the enqueued jobs. It must
// never be down.
const monitorsFile = `server: {replicas: 3}
recipients: {you: you@example.org}
operators: you
mail: {from: soak@example.org, relays: [{host: %s, port: %d, tls: none}]}
notifications: {group_wait: 0s}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, notify: you}
monitors:
  - {name: witness, tcp: {address: %q, dialogue: [{send: "%s\n"}, {expect: well}]}}
`

// prepare makes the keys and the file and finds ports.
func (p *clusterProcesses) prepare(ctx context.Context, w *witness) error {
	p.file = filepath.Join(p.dir, "monitors.yaml")
	relay := w.mails.Addr().(*net.TCPAddr)
	yaml := fmt.Sprintf(monitorsFile, relay.IP, relay.Port, w.checks.Addr(), monitorWord)
	if err := os.WriteFile(p.file, []byte(yaml), 0o600); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	var names []string
	for _, name := range []string{"n1", "n2", "n3"} {
		n := &node{name: name, key: name}
		if p.hosts.prefix != "" {
			n.key = p.hosts.address(name) // namespaces have no name resolution
		}
		for _, address := range []*string{&n.listen, &n.routes, &n.http} {
			var err error
			if *address, err = p.lastingPort(ctx, p.hosts.address(name)); err != nil {
				return err
			}
		}
		p.nodes, names = append(p.nodes, n), append(names, n.key)
	}
	return keys.Create(p.secret(), []string{job.DefaultLocation}, names, io.Discard)
}

// Ports for a soak: below the range for outgoing connections, and separate
// for each process ID, so that another soak does not take the port of a
// server that is down.
const (
	firstPort, ports = 12_000, 20_000
	portsEach        = 20
)

// lastingPort returns an address that stays free while its server is down.
func (p *clusterProcesses) lastingPort(ctx context.Context, host string) (string, error) {
	var err error
	for range portsEach {
		var listener net.Listener
		address := net.JoinHostPort(host, strconv.Itoa(firstPort+(os.Getpid()*portsEach+p.portsTried)%ports))
		p.portsTried++
		if p.hosts.prefix != "" {
			return address, nil // in a namespace without other processes
		}
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("find free port: %w", err)
}

func (p *clusterProcesses) start(host string, args ...string) (*harness.Process, error) {
	if p.debug {
		args = append(args, "--log-level", "debug")
	}
	return p.processes.start(host, args...)
}

// open starts all processes.
func (p *clusterProcesses) open(ctx context.Context, workers int) error {
	for _, n := range p.nodes {
		if err := p.startNode(n); err != nil {
			return err
		}
	}
	if err := p.awaitReady(ctx); err != nil {
		return err
	}
	statusPage, err := p.lastingPort(ctx, p.hosts.address("s"))
	if err != nil {
		return err
	}
	p.scheduler, err = p.start("s", append([]string{"run", p.file, "--data", filepath.Join(p.dir, "scheduler"), "--http", statusPage, "--stages", "schedule,evaluate,notify,maintain"},
		p.login(rights.Admin)...)...)
	if err != nil {
		return err
	}
	for range workers {
		if err := errors.Join(p.startWorker("check", &p.checks), p.startWorker("mail", &p.mails)); err != nil {
			return err
		}
	}
	return nil
}

func (p *clusterProcesses) startNode(n *node) (err error) {
	var routes []string
	for _, other := range p.nodes {
		routes = append(routes, "nats://"+other.routes)
	}
	n.process, err = p.start(n.name, "server", "--name", n.name, "--data", p.data(n), "--listen", n.listen, "--http", n.http,
		"--cluster", n.routes, "--routes", strings.Join(routes, ","), "--users", p.secret("users.conf"),
		"--tls-cert", p.secret(n.key+".pem"), "--tls-key", p.secret(n.key+".key"), "--tls-ca", p.secret("ca.pem"))
	return err
}

func (p *clusterProcesses) data(n *node) string { return filepath.Join(p.dir, n.name) }

func (p *clusterProcesses) secret(name ...string) string {
	return filepath.Join(append([]string{p.dir, "secrets"}, name...)...)
}

// startWorker starts a check or mail worker with its role's rights.
func (p *clusterProcesses) startWorker(kind string, into *[]*harness.Process) error {
	role := map[string]rights.Role{"check": rights.CheckWorker, "mail": rights.MailWorker}[kind]
	p.started++
	host := kind[:1] + strconv.Itoa(p.started%2+1) // c1, c2, m1 or m2
	worker, err := p.start(host, append([]string{"worker", p.file, "--stages", kind, "--data", filepath.Join(p.dir, "worker")}, p.login(role)...)...)
	if err == nil {
		*into = append(*into, worker)
	}
	return err
}

func user(role rights.Role) string {
	return rights.UserName(topology.Names{Prefix: "vedette"}, rights.User{Role: role})
}

func (p *clusterProcesses) password(role rights.Role) string {
	return p.secret(user(role) + ".password")
}

func (p *clusterProcesses) urls(role rights.Role) string {
	var urls []string
	for _, n := range p.nodes {
		urls = append(urls, "tls://"+user(role)+"@"+n.listen)
	}
	return strings.Join(urls, ",")
}

func (p *clusterProcesses) login(role rights.Role) []string {
	return []string{"--nats", p.urls(role), "--nats-ca", p.secret("ca.pem"), "--nats-password-file", p.password(role)}
}

// stopAll kills the workers and then the nodes: when they stop cleanly, the last
// nodes would wait for the others in vain.
func (p *clusterProcesses) stopAll() error {
	all := append(append([]*harness.Process{}, p.checks...), p.mails...)
	if p.scheduler != nil {
		all = append(all, p.scheduler)
	}
	for _, n := range p.nodes {
		if n.process != nil {
			all = append(all, n.process)
		}
	}
	var errs []error
	for _, process := range all {
		errs = append(errs, process.End(syscall.SIGKILL))
	}
	return errors.Join(errs...)
}
