// Package broker runs nats-server inside the process: the embedded default,
// complete with JetStream on disk, a secret of its own and a lock on its
// directory.
package broker

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

// ErrPortTaken is returned by [Start] when another program listens on the
// broker's address.
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
	// Clients protects that socket; nil means clear text, which is for loopback.
	Clients *ClientTLS
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
	secret string
	dir    string
	listen bool
}

// User is the name under which clients log in; the secret is generated.
const User = "vedette"

const (
	secretFile = "nats.secret"
	urlFile    = "nats.url"
	lockFile   = "lock"
	readyWait  = 30 * time.Second
	// syncInterval is how much a power cut may take from a single node. Four
	// times a second costs nothing that could be measured.
	syncInterval  = 250 * time.Millisecond
	secretBytes   = 24
	tlsTimeout    = 10 // seconds that a client's handshake may take, over slow lines
	maxPayload    = 8 << 20
	ownerOnly     = 0o600
	ownerOnlyDirs = 0o700
)

// Start runs a server over the directory, and returns when it can be used.
// The error is [ErrLocked], [ErrPortTaken], or says what went wrong.
func Start(config Config) (*Broker, error) {
	if config.MaxPayload == 0 {
		config.MaxPayload = maxPayload
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
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
	secret, err := loadSecret(filepath.Join(config.Dir, secretFile))
	if err != nil {
		return err
	}
	b.secret = secret
	options, err := b.options(config)
	if err != nil {
		return err
	}
	b.server, err = server.NewServer(options)
	if err != nil {
		return fmt.Errorf("make nats-server: %w", err)
	}
	b.server.SetLoggerV2(&logAdapter{log: config.Logger}, false, false, false)
	b.server.Start()
	if !b.server.ReadyForConnections(readyWait) {
		b.server.Shutdown()
		return fmt.Errorf("start nats-server: not ready after %s; its log says why", readyWait)
	}
	if !b.listen {
		return nil
	}
	err = errors.Join(b.tell(options.TLSConfig), writeFile(filepath.Join(b.dir, urlFile), b.URL()+"\n"))
	if err != nil {
		b.server.Shutdown()
		return fmt.Errorf("write address: %w", err)
	}
	return nil
}

func (b *Broker) options(config Config) (*server.Options, error) {
	// The server compares hashes as it compares plain words, but warns of the
	// latter. The secret is random, so the cheapest hash is as good as any.
	hash, err := bcrypt.GenerateFromPassword([]byte(b.secret), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("hash secret: %w", err)
	}
	options := &server.Options{
		ServerName: "vedette", JetStream: true, StoreDir: filepath.Join(config.Dir, "jetstream"),
		SyncInterval: syncInterval, MaxPayload: config.MaxPayload, NoSigs: true,
		Username: User, Password: string(hash), DontListen: !b.listen,
		// Without a limit of its own JetStream takes what it guesses is there;
		// the streams' own bounds are what counts.
		JetStreamMaxStore: 1 << 50, JetStreamMaxMemory: 1 << 40,
	}
	if !b.listen {
		return options, nil
	}
	host, port, err := net.SplitHostPort(config.Listen)
	if err != nil {
		return nil, fmt.Errorf("read listen address: found %q, expected host:port", config.Listen)
	}
	options.Host = host
	if config.Clients != nil {
		if options.TLSConfig, err = config.Clients.config(); err != nil {
			return nil, err
		}
		options.TLS, options.TLSVerify = true, config.Clients.CAFile != ""
		options.TLSTimeout = tlsTimeout
	}
	options.Port, err = freePort(host, port)
	return options, err
}

// freePort finds out whether the port can be had, because the server would end
// the whole process when it cannot; port 0 becomes a free one.
func freePort(host, port string) (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port)) //nolint:noctx // a loopback bind has nothing to wait for
	if errors.Is(err, syscall.EADDRINUSE) {
		return 0, fmt.Errorf("listen on %s: %w", net.JoinHostPort(host, port), ErrPortTaken)
	}
	if err != nil {
		return 0, fmt.Errorf("listen on %s: %w", net.JoinHostPort(host, port), err)
	}
	_, found, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, errors.Join(err, listener.Close())
	}
	if err := listener.Close(); err != nil {
		return 0, fmt.Errorf("release %s: %w", found, err)
	}
	return strconv.Atoi(found)
}

// loadSecret reads the directory's secret, or makes it at the first start.
func loadSecret(path string) (string, error) {
	found, err := os.ReadFile(path) //nolint:gosec // the operator names the data directory
	if err == nil {
		return strings.TrimSpace(string(found)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails, says its documentation
	secret := base64.RawURLEncoding.EncodeToString(random)
	if err := writeFile(path, secret+"\n"); err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return secret, nil
}

// writeFile replaces a file in one step, readable by its owner only.
func writeFile(path, content string) error {
	if err := os.WriteFile(path+".new", []byte(content), ownerOnly); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// InProcessConn opens a connection without a socket.
func (b *Broker) InProcessConn() (net.Conn, error) { return b.server.InProcessConn() }

// Secret is the password that goes with [User].
func (b *Broker) Secret() string { return b.secret }

// URL is where other processes connect, credentials included. It is empty for
// a broker that does not listen.
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
	address.User = url.UserPassword(User, b.secret)
	return address.String()
}

// loopback is that of the family of an address.
func loopback(ip net.IP) string {
	if ip.To4() != nil {
		return "127.0.0.1"
	}
	return "::1"
}

// Stop shuts the server down cleanly and gives the directory free.
func (b *Broker) Stop() error {
	b.server.Shutdown()
	b.server.WaitForShutdown()
	if err := b.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data directory: %w", err)
	}
	return nil
}

// ErrNotRunning is returned by [FindURL] for a directory whose broker never ran.
var ErrNotRunning = errors.New("no instance has run with this data directory")

// FindURL tells where the broker of a data directory listens, credentials
// included, so that commands find a running instance by themselves. The error
// is [ErrNotRunning], or why the address could not be read.
func FindURL(dir string) (string, error) {
	found, err := os.ReadFile(filepath.Join(dir, urlFile)) //nolint:gosec // the operator names the data directory
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", filepath.Join(dir, urlFile), ErrNotRunning)
	}
	if err != nil {
		return "", fmt.Errorf("read address: %w", err)
	}
	return strings.TrimSpace(string(found)), nil
}
