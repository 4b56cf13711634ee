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

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/keys"
	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

// Program runs one command line and returns its exit code.
type Program func(ctx context.Context, args []string, stdout, stderr io.Writer) int

// soakChildCommand runs a command line that ends with the process that started
// it, however that ends.
func soakChildCommand(program Program) *cobra.Command {
	return &cobra.Command{
		Use: "child", Short: "A process of a soak", Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := cli.StdinContext(cmd.Context())
			defer cancel()
			if code := program(ctx, args, cmd.OutOrStdout(), cmd.ErrOrStderr()); code != cli.ExitOK {
				return &cli.ExitError{Code: code}
			}
			return nil
		},
	}
}

// clusterStage is the processes of a soak of a cluster.
type clusterStage struct {
	*stage

	hosts   soakHosts
	verbose bool // all processes log all they have to say

	nodes         []*soakNode
	scheduler     *process
	checks, mails []*process
	file          string
	taken         int // how many ports were tried
	started       int // how many workers
}

// soakNode is a node, and where it listens.
type soakNode struct {
	name, key, listen, routes, http string // key is the name in its certificate, and of that's file
	process                         *process
}

// soakFile has a monitor beside what is ordered. It must never be down.
const soakFile = `server: {replicas: 3}
recipients: {you: you@example.org}
operators: you
mail: {from: soak@example.org, relays: [{host: %s, port: %d, tls: none}]}
notifications: {group_wait: 0s}
defaults: {interval: 1s, timeout: 900ms, failure_threshold: 1, notify: you}
monitors:
  - {name: witness, tcp: {address: %q, dialogue: [{send: "%s\n"}, {expect: well}]}}
`

// newClusterStage makes the keys and the file, and finds ports.
func newClusterStage(ctx context.Context, dir string, hosts soakHosts, w *witness, log io.Writer) (*clusterStage, error) {
	s := &clusterStage{stage: &stage{self: hosts.self, dir: dir, stderr: log}, hosts: hosts, file: filepath.Join(dir, "monitors.yaml")}
	relay := w.mails.Addr().(*net.TCPAddr)
	yaml := fmt.Sprintf(soakFile, relay.IP, relay.Port, w.checks.Addr(), monitorWord)
	if err := os.WriteFile(s.file, []byte(yaml), 0o600); err != nil {
		return nil, fmt.Errorf("write file: %w", err)
	}
	var names []string
	for _, name := range []string{"n1", "n2", "n3"} {
		node := &soakNode{name: name, key: name}
		if hosts.prefix != "" {
			node.key = hosts.address(name) // nothing knows names there
		}
		for _, address := range []*string{&node.listen, &node.routes, &node.http} {
			var err error
			if *address, err = s.lastingPort(ctx, hosts.address(name)); err != nil {
				return nil, err
			}
		}
		s.nodes, names = append(s.nodes, node), append(names, node.key)
	}
	return s, keys.Create(filepath.Join(dir, "secrets"), []string{job.DefaultLocation}, names, io.Discard)
}

// Ports of a soak: below those that systems give to outgoing connections, and of
// a part that is this process's own, lest another soak takes one while its server
// is away.
const (
	firstPort, ports = 12_000, 20_000
	portsEach        = 20
)

// lastingPort is an address that stays free while its server is away.
func (s *clusterStage) lastingPort(ctx context.Context, host string) (string, error) {
	var err error
	for range portsEach {
		var listener net.Listener
		address := net.JoinHostPort(host, strconv.Itoa(firstPort+(os.Getpid()*portsEach+s.taken)%ports))
		s.taken++
		if s.hosts.prefix != "" {
			return address, nil // another host's, where nobody else is
		}
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

func (s *clusterStage) child(host string, args ...string) (*process, error) {
	args = append([]string{"soak", "child"}, args...)
	if s.verbose {
		args = append(args, "--log-level", "debug")
	}
	return s.launch(s.hosts.command(host, args), args)
}

// open starts everything.
func (s *clusterStage) open(ctx context.Context, workers int) error {
	for _, n := range s.nodes {
		if err := s.startNode(n); err != nil {
			return err
		}
	}
	if err := s.allReady(ctx); err != nil {
		return err
	}
	overview, err := s.lastingPort(ctx, s.hosts.address("s"))
	if err != nil {
		return err
	}
	s.scheduler, err = s.child("s", append([]string{"run", s.file, "--data", filepath.Join(s.dir, "scheduler"), "--http", overview, "--stages", "schedule,evaluate,notify,maintain"},
		s.login(rights.Admin)...)...)
	if err != nil {
		return err
	}
	for range workers {
		if err := errors.Join(s.startWorker("check", &s.checks), s.startWorker("mail", &s.mails)); err != nil {
			return err
		}
	}
	return nil
}

func (s *clusterStage) startNode(n *soakNode) error {
	var routes []string
	for _, other := range s.nodes {
		routes = append(routes, "nats://"+other.routes)
	}
	secrets := filepath.Join(s.dir, "secrets")
	var err error
	n.process, err = s.child(n.name, "server", "--name", n.name, "--data", s.data(n), "--listen", n.listen, "--http", n.http,
		"--cluster", n.routes, "--routes", strings.Join(routes, ","), "--users", filepath.Join(secrets, "users.conf"),
		"--tls-cert", filepath.Join(secrets, n.key+".pem"), "--tls-key", filepath.Join(secrets, n.key+".key"), "--tls-ca", filepath.Join(secrets, "ca.pem"))
	return err
}

func (s *clusterStage) data(n *soakNode) string { return filepath.Join(s.dir, n.name) }

// startWorker starts a worker of a kind, with the rights of its role.
func (s *clusterStage) startWorker(kind string, into *[]*process) error {
	role := map[string]rights.Role{"check": rights.CheckWorker, "mail": rights.MailWorker}[kind]
	s.started++
	host := kind[:1] + strconv.Itoa(s.started%2+1) // c1, c2, m1 or m2
	worker, err := s.child(host, append([]string{"worker", s.file, "--stages", kind, "--data", filepath.Join(s.dir, "worker")}, s.login(role)...)...)
	if err == nil {
		*into = append(*into, worker)
	}
	return err
}

func (s *clusterStage) password(role rights.Role) string {
	return filepath.Join(s.dir, "secrets", rights.UserName(topology.Names{Prefix: "vedette"}, rights.User{Role: role})+".password")
}

func (s *clusterStage) urls(role rights.Role) string {
	var urls []string
	for _, n := range s.nodes {
		urls = append(urls, "tls://"+rights.UserName(topology.Names{Prefix: "vedette"}, rights.User{Role: role})+"@"+n.listen)
	}
	return strings.Join(urls, ",")
}

func (s *clusterStage) login(role rights.Role) []string {
	return []string{"--nats", s.urls(role), "--nats-ca", filepath.Join(s.dir, "secrets", "ca.pem"), "--nats-password-file", s.password(role)}
}

// close ends whatever still runs: first what works, then the nodes, all at
// once, since the last ones would wait in vain for others.
func (s *clusterStage) close() error {
	all := append(append([]*process{}, s.checks...), s.mails...)
	if s.scheduler != nil {
		all = append(all, s.scheduler)
	}
	for _, n := range s.nodes {
		if n.process != nil {
			all = append(all, n.process)
		}
	}
	var errs []error
	for _, p := range all {
		errs = append(errs, p.end(syscall.SIGKILL))
	}
	return errors.Join(errs...)
}
