// Package broker runs nats-server inside the process: alone, as the embedded
// default that is complete with JetStream on disk, a secret of its own and a
// lock on its directory, or as one node of a cluster.
package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
)

// ErrPortTaken is returned by [Start] when another program listens on the
// broker's address, for clients or for nodes.
var ErrPortTaken = errors.New("address is taken")

// ErrLocked is returned by [Start] when another process uses the directory:
// two servers over one store would destroy it.
var ErrLocked = errors.New("data directory is in use by another process")

// Config says where the broker keeps its data and listens.
type Config struct {
	// Dir is the data directory; it is made when missing, for its owner only.
	Dir string
	// Listen is the host:port for other processes; loopback unless you know
	// better. Port 0 takes a free one. Empty means that no socket is opened.
	Listen string
	// Name is the server's, another one for each node of a cluster. Defaults to
	// "vedette".
	Name string
	// Cluster makes the broker a node of a cluster; nil means that it is alone.
	Cluster *Cluster
	// UsersFile is a NATS configuration file that holds users and nothing else;
	// see [ErrUsers]. Empty means one user, [User], with the directory's secret.
	// The nodes of a cluster need the same file.
	UsersFile string
	// TLS protects the connections of clients and, in a cluster, of nodes; nil
	// means clear text.
	TLS *TLS
	// Clients does so for clients alone, who may have to show certificates; TLS
	// has no say in them then.
	Clients *TLS
	// MaxPayload is the largest message in bytes. Defaults to 8 MiB.
	MaxPayload int32
	// Logger gets the server's warnings and errors. Defaults to one that
	// discards.
	Logger *slog.Logger
}

// Broker is a running server. Stop it on every path: an unclean stop may bring
// back messages that were superseded.
type Broker struct {
	server *server.Server
	lock   *flock.Flock
	secret string // empty with users from a file
	dir    string
	listen bool
	shown  *renewed // to clients; nil for clear text
}

// User is the name under which clients log in; the secret is generated.
const User = "vedette"

const (
	secretFile    = "nats.secret"
	urlFile       = "nats.url"
	lockFile      = "lock"
	defaultName   = "vedette"
	secretBytes   = 24
	tlsTimeout    = 10 // seconds that a client's handshake may take, over slow lines
	maxPayload    = 8 << 20
	ownerOnly     = 0o600
	ownerOnlyDirs = 0o700
)

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.MaxPayload == 0 {
		c.MaxPayload = maxPayload
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Start runs a server over the directory, and returns when it takes
// connections; whether a node has joined its cluster, [Broker.Healthy] tells.
// The error is [ErrLocked], [ErrPortTaken], [ErrUsers], or says what went wrong.
func Start(config Config) (*Broker, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, ownerOnlyDirs); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{lock: lock, dir: config.Dir, listen: config.Listen != ""}
	if err := b.start(config); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return b, nil
}

func lockDir(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(ownerOnly))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if !got {
		return nil, fmt.Errorf("lock %s: %w", dir, ErrLocked)
	}
	return lock, nil
}

func (b *Broker) start(config Config) error {
	options, err := b.options(config)
	if err != nil {
		return err
	}
	b.server, err = server.NewServer(options)
	if err != nil {
		return fmt.Errorf("make nats-server: %w", err)
	}
	log := &logAdapter{log: config.Logger, fatal: make(chan string, 1)}
	b.server.SetLoggerV2(log, false, false, false)
	b.server.Start()
	err = b.awaitStart(log.fatal)
	if err == nil {
		err = b.leaveAddress()
	}
	if err != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	return err
}

const (
	readyWait = 30 * time.Second
	readyLook = 50 * time.Millisecond
)

// awaitStart waits until the server takes connections, or says why it never
// will.
func (b *Broker) awaitStart(fatal <-chan string) error {
	for deadline := time.Now().Add(readyWait); time.Now().Before(deadline); {
		if b.server.ReadyForConnections(readyLook) {
			return nil
		}
		select {
		case message := <-fatal:
			return fmt.Errorf("start nats-server: %s", message)
		default:
		}
	}
	return fmt.Errorf("start nats-server: not ready after %s; its log says why", readyWait)
}

// leaveAddress leaves the address for commands on this machine. Of users from
// a file it knows no password.
func (b *Broker) leaveAddress() error {
	path := filepath.Join(b.dir, urlFile)
	if !b.listen {
		return nil
	}
	if b.secret == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove address: %w", err)
		}
		return nil
	}
	if err := errors.Join(b.keepTelling(), writeFile(path, b.URL()+"\n")); err != nil {
		return fmt.Errorf("write address: %w", err)
	}
	return nil
}

// InProcessConn opens a connection without a socket.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.server.InProcessConn() }

// Secret is the password that goes with [User]; empty with users from a file.
func (b *Broker) Secret() string { return b.secret }

// URL is where other processes connect, credentials included unless users come
// from a file. It is empty for a broker that does not listen.
func (b *Broker) URL() string {
	if !b.listen {
		return ""
	}
	address, err := url.Parse(b.server.ClientURL())
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(address.Hostname()); ip != nil && ip.IsUnspecified() { // all addresses: on this machine, that is
		address.Host = net.JoinHostPort(loopback(ip), address.Port())
	}
	if b.secret != "" {
		address.User = url.UserPassword(User, b.secret)
	}
	return address.String()
}

// loopback is that of the family of an address.
func loopback(ip net.IP) string {
	if ip.To4() != nil {
		return "127.0.0.1"
	}
	return "::1"
}

// Stop shuts the server down cleanly and gives the directory free. A node of a
// cluster first gives what it leads to others, and its clients time to go
// there, which takes a few seconds.
func (b *Broker) Stop() error {
	if b.server.JetStreamIsClustered() {
		b.server.LameDuckShutdown()
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
	if err := b.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data directory: %w", err)
	}
	return nil
}
