// Package keys makes the certificates, users and passwords of a cluster.
package keys

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/rights"
	"vedette/pipeline/topology"
)

// Make makes what is missing in a directory, and says what it made.
func Make(dir string, locations, nodes []string, made io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	k := &keyMaker{dir: dir}
	err := errors.Join(k.users(locations), k.nodes(nodes))
	cli.Writef(made, "%s", k.made.String())
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
