package main

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"vedette/pipeline/job"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

func authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "auth",
		Short:   "Make what servers and their clients know each other by",
		Long:    "Makes the certificates, users and passwords of servers that others reach.",
		Example: "  vedette auth init secrets n1 n2 n3",
		Args:    knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(authInitCommand())
	return cmd
}

func authInitCommand() *cobra.Command {
	locations := []string{job.DefaultLocation}
	cmd := &cobra.Command{
		Use:   "init DIR NODE...",
		Short: "Make the certificates and users of a cluster",
		Long: `Makes what the nodes of a cluster and their clients need, and prints what it
made. NODE is the name or address by which others reach a node; its certificate is
good for this machine's loopback too, for ten years.

  ca.pem, ca.key         sign for the nodes; ca.key is needed for more nodes only
  NODE.pem, NODE.key     for --tls-cert and --tls-key of that node
  users.conf             for --users of all nodes: the users of 'vedette roles'
  USER.password          for --nats-password-file of who logs in as that user

What is there already is kept, so that nodes can be added. Nobody else may enter
the directory; the files themselves can be read by whoever is given one of them,
such as a container that runs as another user.`,
		Example: `  vedette auth init secrets n1.example.org n2.example.org n3.example.org
  vedette run --nats tls://vedette-admin@n1.example.org:4222 --nats-ca secrets/ca.pem \
    --nats-password-file secrets/vedette-admin.password monitors.yaml`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(nodeProblems(args[1:]), locationProblems(locations)); err != nil {
				return usageError(cmd, err)
			}
			return makeKeys(args[0], locations, args[1:], cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&locations, "location", locations, "locations of check workers, each of which has a user of its own")
	return cmd
}

// nodeProblems are names that would be no names of files, or those of others.
func nodeProblems(names []string) error {
	var problems []error
	for _, name := range names {
		if name == "ca" || !job.ValidName(name) && net.ParseIP(name) == nil {
			problems = append(problems, fmt.Errorf("read NODE: found %q, expected the name or address of a machine", name))
		}
	}
	return errors.Join(problems...)
}

// makeKeys makes what is missing in a directory, and says what it made.
func makeKeys(dir string, locations, nodes []string, made io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	k := &keyMaker{dir: dir}
	err := errors.Join(k.users(locations), k.nodes(nodes))
	say(made, "%s", k.made.String())
	return err
}

// keyMaker makes what is missing in a directory.
type keyMaker struct {
	dir  string
	made strings.Builder
}

func (k *keyMaker) path(name string) string { return filepath.Join(k.dir, name) }

func (k *keyMaker) has(name string) bool {
	_, err := os.Stat(k.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

func (k *keyMaker) write(name string, content []byte) error {
	mode := os.FileMode(0o644) // the directory keeps others out: see the help
	if name == "ca.key" {
		mode = 0o600 // which nobody is given
	}
	file, err := os.OpenFile(k.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	k.made.WriteString(k.path(name) + "\n")
	return nil
}

// users makes a password for each role's user, and the file that has nodes know
// their hashes.
func (k *keyMaker) users(locations []string) error {
	if k.has("users.conf") {
		return nil
	}
	names := topology.Names{Prefix: "vedette"}
	var config strings.Builder
	users := usersOf(locations)
	for i, user := range users {
		password := rand.Text()
		// A random password needs no slow hash.
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("hash password: %w", err)
		}
		if err := k.write(rights.UserName(names, user)+".password", []byte(password+"\n")); err != nil {
			return err
		}
		users[i].Password = "$" + rights.PasswordVariable(names, user)
		fmt.Fprintf(&config, "%s = %q\n", rights.PasswordVariable(names, user), hash)
	}
	config.WriteString(rights.ServerConfig(names, users))
	return k.write("users.conf", []byte(config.String()))
}

// usersOf are a user for each role, and for each location of check workers.
func usersOf(locations []string) []rights.User {
	var users []rights.User
	for _, role := range rights.Roles() {
		if role != rights.CheckWorker {
			users = append(users, rights.User{Role: role})
			continue
		}
		for _, location := range locations {
			users = append(users, rights.User{Role: role, Location: location})
		}
	}
	return users
}

// nodes makes a certificate for each node, and the CA before the first.
func (k *keyMaker) nodes(names []string) error {
	if !k.has("ca.pem") {
		ca := certificate("Vedette cluster")
		ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
		if err := k.sign("ca", ca, nil); err != nil {
			return err
		}
	}
	authority, err := k.authority()
	if err != nil {
		return err
	}
	for _, name := range names {
		if k.has(name + ".pem") {
			continue
		}
		if err := k.sign(name, nodeCertificate(name), authority); err != nil {
			return err
		}
	}
	return nil
}
