package broker

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrNothingToReload is returned by [Broker.Reload] without a users file.
var ErrNothingToReload = errors.New("there is no users file")

// Reload reads the users file again. Clients whose user is gone, or has another
// password or other rights, are disconnected, and can log in again. A file with
// mistakes changes nothing. Certificates need no call: see [TLS].
func (b *Broker) Reload() error {
	if b.usersFile == "" {
		return ErrNothingToReload
	}
	options := b.startOptions()
	if err := readUsers(b.usersFile, options); err != nil {
		return err
	}
	if err := b.current().ReloadOptions(options.Clone()); err != nil { // which modifies them
		return fmt.Errorf("reload users: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.options = options
	return nil
}

// startOptions returns a copy of the options for a start.
func (b *Broker) startOptions() *server.Options {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.options.Clone()
}
