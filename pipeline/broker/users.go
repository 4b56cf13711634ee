package broker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
)

// ErrUsers is returned by [Start] when the users file contains no users or other
// settings, or when a cluster node has no users file. The file is a nats-server
// configuration that may contain only the blocks authorization, accounts and
// system_account, variables used in them, and includes.
var ErrUsers = errors.New("expected a NATS configuration file that contains only users")

// readUsers reads the users from a file.
func readUsers(path string, options *server.Options) error {
	if err := checkUsers(path); err != nil {
		return err
	}
	read, err := server.ProcessConfigFile(path)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	if len(read.Users)+len(read.Nkeys) == 0 && read.Username == "" && read.Authorization == "" && read.AuthCallout == nil {
		return fmt.Errorf("read users: found none in %s: %w", path, ErrUsers)
	}
	options.Users, options.Nkeys, options.Accounts, options.SystemAccount = read.Users, read.Nkeys, read.Accounts, read.SystemAccount
	options.Username, options.Password, options.Authorization = read.Username, read.Password, read.Authorization
	options.AuthCallout, options.AuthTimeout = read.AuthCallout, read.AuthTimeout
	return nil
}

// checkUsers rejects settings that would have no effect here. In particular, a
// file must not seem to configure access without a login.
func checkUsers(path string) error {
	found, err := conf.ParseFileWithChecks(path)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		variable, ok := found[key].(interface{ IsUsedVariable() bool })
		known := slices.Contains([]string{"authorization", "accounts", "system_account", "system"}, strings.ToLower(key))
		if !known && (!ok || !variable.IsUsedVariable()) {
			return fmt.Errorf("read users: found %q in %s: %w", key, path, ErrUsers)
		}
	}
	return nil
}
