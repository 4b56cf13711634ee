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
	// syncInterval limits the loss by a power cut on a single node. Four syncs a
	// second have no measurable cost.
	syncInterval = 250 * time.Millisecond
	// A node that stops announces it, waits for lameDuckGrace, and then closes its
	// connections one by one during lameDuckTime, so that the clients do not all
	// reconnect to the next node at once.
	lameDuckGrace = 100 * time.Millisecond
	lameDuckTime  = 2 * time.Second
	// A missing node is dialled every second, over several routes; the log reports
	// that once a minute.
	reconnectReportInterval = 60
)

func (b *Broker) configure(config Config) (*server.Options, error) {
	options := &server.Options{
		ServerName: config.Name, JetStream: true, StoreDir: filepath.Join(config.Dir, "jetstream"),
		SyncInterval: syncInterval, MaxPayload: config.MaxPayload, NoSigs: true, DontListen: !b.listen,
		LameDuckGracePeriod: lameDuckGrace, LameDuckDuration: lameDuckTime,
		ReconnectErrorReports: reconnectReportInterval,
		// By default, JetStream estimates limits from the machine. The limits set on
		// each stream apply instead.
		JetStreamMaxStore: 1 << 50, JetStreamMaxMemory: 1 << 40,
	}
	if err := b.setUsers(options, config); err != nil {
		return nil, err
	}
	if !b.listen {
		return options, nil
	}
	var err error
	if options.Host, options.Port, err = checkAddress(config.Listen); err != nil {
		return nil, err
	}
	if err := b.protectClients(options, config); err != nil {
		return nil, err
	}
	if config.Cluster == nil {
		return options, nil
	}
	return options, config.Cluster.apply(options, config)
}

// setUsers configures the users that may log in.
func (b *Broker) setUsers(options *server.Options, config Config) error {
	if config.UsersFile != "" {
		return readUsers(config.UsersFile, options)
	}
	secret, err := loadSecret(filepath.Join(config.Dir, secretFile), config.Logger)
	if err != nil {
		return err
	}
	b.secret = secret
	// The server warns about plain passwords, so it gets a hash. The secret is
	// random, so the cheapest hash is sufficient.
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("hash secret: %w", err)
	}
	options.Username, options.Password = User, string(hash)
	return nil
}

// checkAddress reports whether an address is free, since the server would only
// log that it is not. It replaces port 0 by a free port.
func checkAddress(address string) (host string, port int, err error) {
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
		host = "0.0.0.0" // the server replaces an empty host by its default, which is the same
	}
	return host, port, err
}
