package broker

import (
	"errors"
	"fmt"
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
	options := b.started.Clone()
	if err := readUsers(b.usersFile, options); err != nil {
		return err
	}
	if err := b.server.ReloadOptions(options); err != nil {
		return fmt.Errorf("reload users: %w", err)
	}
	return nil
}
