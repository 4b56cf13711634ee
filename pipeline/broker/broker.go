// Package broker runs nats-server inside the process: alone, with JetStream on
// disk, a generated secret and a lock on its directory, or as a cluster node.
package broker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"

	"vedette/pipeline/datadir"
)

// ErrPortTaken is returned by [Start] when another program listens on the
// address for clients or for nodes.
var ErrPortTaken = errors.New("address is in use")

// ErrLocked is returned by [Start] when another process uses the directory. Two
// servers with one store would destroy it.
var ErrLocked = errors.New("data directory is in use by another process")

var errStopped = errors.New("restart nats-server: it was stopped")

// Config configures a broker.
type Config struct {
	// Dir is the data directory. If missing, it is created for its owner only.
	Dir string
	// Listen is the host:port for other processes, usually on loopback. Port 0
	// chooses a free port. Without Listen, the broker opens no socket.
	Listen string
	// Name is the server name, unique in a cluster. Defaults to "vedette".
	Name string
	// Cluster makes the broker a cluster node; nil runs it alone.
	Cluster *Cluster
	// UsersFile is a NATS configuration file that contains only users; see
	// [ErrUsers]. Without it there is one user, [User], with the directory's
	// secret. All nodes in a cluster need the same file.
	UsersFile string
	// TLS protects the connections from clients and, in a cluster, between nodes;
	// nil means clear text.
	TLS *TLS
	// ClientTLS, when set, replaces TLS for clients, and can require client
	// certificates.
	ClientTLS *TLS
	// MaxPayload is the largest message in bytes. Defaults to 8 MiB.
	MaxPayload int32
	// Recovered, when set, is called with the report about a start or restart after
	// an unclean stop or with damaged files, before that returns.
	Recovered func(*datadir.Report)
	// Logger receives the server's warnings and errors. Defaults to discarding
	// them.
	Logger *slog.Logger
}

// Broker is a running server. Always call Stop: after an unclean stop,
// superseded messages may reappear.
type Broker struct {
	lock        *flock.Flock
	secret      string // empty with a users file
	dir         string
	listen      bool
	usersFile   string
	certificate *reloadingCertificate // for clients; nil for clear text
	logger      *slog.Logger
	files       files
	storeDir    string      // the server's directory
	directory   os.FileInfo // the same, as it was at the start

	restarting sync.Mutex // held while the server is restarted or stopped
	stopped    bool

	mu      sync.RWMutex    // guards the fields below
	options *server.Options // for the first start and each restart
	server  *server.Server
}

// User is the user name for clients; the password is the generated secret.
const User = "vedette"

const (
	secretFile    = "nats.secret"
	urlFile       = "nats.url"
	lockFile      = "lock"
	defaultName   = "vedette"
	secretBytes   = 24
	tlsTimeout    = 10 // seconds for a client's handshake, also on slow links
	maxPayload    = 8 << 20
	ownerOnly     = 0o600
	ownerOnlyDirs = 0o700
)

func (c Config) withDefaults() Config {
	c.Name, c.MaxPayload = cmp.Or(c.Name, defaultName), cmp.Or(c.MaxPayload, maxPayload)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Start runs a server on the data directory, and returns when it accepts
// connections; [Broker.Healthy] reports whether a node has joined its cluster.
// Among the errors are [ErrLocked], [ErrPortTaken] and [ErrUsers].
func Start(config Config) (*Broker, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, ownerOnlyDirs); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	lock, err := lockDir(config.Dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{lock: lock, dir: config.Dir, listen: config.Listen != "", usersFile: config.UsersFile, logger: config.Logger, files: files{config: config}}
	if err := b.start(config); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return b, nil
}

func lockDir(dir string) (*flock.Flock, error) {
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(ownerOnly))
	got, err := lock.TryLock()
	if err != nil {
		return nil, &datadir.PathError{Path: lock.Path(), Err: fmt.Errorf("lock it: %w", err)}
	}
	if !got {
		return nil, fmt.Errorf("lock %s: %w", dir, ErrLocked)
	}
	return lock, nil
}

func (b *Broker) start(config Config) error {
	var err error
	if b.options, err = b.configure(config); err != nil {
		return err
	}
	if err := b.startServer(); err != nil {
		return err
	}
	b.storeDir = b.options.StoreDir
	if b.directory, err = os.Stat(b.storeDir); err != nil {
		err = fmt.Errorf("look at data directory: %w", err)
	} else {
		err = b.writeAddress()
	}
	if err != nil {
		b.stopServer()
	}
	return err
}

// writeAddress writes the address for commands on this machine, except with a
// users file, whose passwords are unknown.
func (b *Broker) writeAddress() error {
	path := filepath.Join(b.dir, urlFile)
	if !b.listen {
		return nil
	}
	if b.secret == "" {
		return removeFile(path)
	}
	if err := errors.Join(b.publishCertificate(), writeFile(path, b.URL()+"\n")); err != nil {
		return &datadir.PathError{Path: path, Err: fmt.Errorf("write address: %w", err)}
	}
	return nil
}

// InProcessConn opens a connection without a socket.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.current().InProcessConn() }

// Secret returns the password for [User]; it is empty with a users file.
func (b *Broker) Secret() string { return b.secret }

// URL returns the address for other processes, with credentials except with a
// users file. It is empty for a broker that does not listen.
func (b *Broker) URL() string {
	if !b.listen {
		return ""
	}
	address, err := url.Parse(b.current().ClientURL())
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(address.Hostname()); ip != nil && ip.IsUnspecified() { // listening on all addresses: use one on this machine
		address.Host = net.JoinHostPort(loopback(ip), address.Port())
	}
	if b.secret != "" {
		address.User = url.UserPassword(User, b.secret)
	}
	return address.String()
}

// loopback returns the loopback address in the same family.
func loopback(ip net.IP) string {
	if ip.To4() != nil {
		return "127.0.0.1"
	}
	return "::1"
}
