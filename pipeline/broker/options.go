package broker

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

const (
	// syncInterval is how much a power cut may take from a single node. Four
	// times a second costs nothing that could be measured.
	syncInterval = 250 * time.Millisecond
	// A node that stops gives its clients lameDuckGrace to hear of it, and then
	// closes one connection after the other within lameDuckTime, so that they do
	// not all come to the next node at once.
	lameDuckGrace = 100 * time.Millisecond
	lameDuckTime  = 2 * time.Second
	// A node that is away is dialled every second, by several routes; one word of
	// that a minute is enough.
	minuteOfTries = 60
)

func (b *Broker) options(config Config) (*server.Options, error) {
	options := &server.Options{
		ServerName: config.Name, JetStream: true, StoreDir: filepath.Join(config.Dir, "jetstream"),
		SyncInterval: syncInterval, MaxPayload: config.MaxPayload, NoSigs: true, DontListen: !b.listen,
		LameDuckGracePeriod: lameDuckGrace, LameDuckDuration: lameDuckTime,
		ReconnectErrorReports: minuteOfTries,
		// Without a limit of its own JetStream takes what it guesses is there;
		// the streams' own bounds are what counts.
		JetStreamMaxStore: 1 << 50, JetStreamMaxMemory: 1 << 40,
	}
	if err := b.admit(options, config); err != nil {
		return nil, err
	}
	if !b.listen {
		return options, nil
	}
	var err error
	if options.Host, options.Port, err = freeAddress(config.Listen); err != nil {
		return nil, err
	}
	if err := b.protectClients(options, config); err != nil {
		return nil, err
	}
	if config.Cluster == nil {
		return options, nil
	}
	return options, config.Cluster.join(options, config)
}

// admit says who may log in.
func (b *Broker) admit(options *server.Options, config Config) error {
	if config.UsersFile != "" {
		return readUsers(config.UsersFile, options)
	}
	secret, err := loadSecret(filepath.Join(config.Dir, secretFile))
	if err != nil {
		return err
	}
	b.secret = secret
	// The server compares hashes as it compares plain words, but warns of the
	// latter. The secret is random, so the cheapest hash is as good as any.
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("hash secret: %w", err)
	}
	options.Username, options.Password = User, string(hash)
	return nil
}

// freeAddress finds out whether an address can be had, because the server would
// only log that it cannot; port 0 becomes a free one.
func freeAddress(address string) (host string, port int, err error) {
	host, _, err = net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("read listen address: found %q, expected host:port", address)
	}
	listener, err := net.Listen("tcp", address) //nolint:noctx // a bind has nothing to wait for
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", 0, fmt.Errorf("listen on %s: %w", address, ErrPortTaken)
	}
	if err != nil {
		return "", 0, fmt.Errorf("listen on %s: %w", address, err)
	}
	_, found, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", 0, errors.Join(err, listener.Close())
	}
	if err := listener.Close(); err != nil {
		return "", 0, fmt.Errorf("release %s: %w", address, err)
	}
	port, err = strconv.Atoi(found)
	if host == "" {
		host = "0.0.0.0" // the server takes an empty host for its default, which is the same
	}
	return host, port, err
}
