// Package keys creates the certificates, users and passwords for a cluster.
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

// Create creates the missing files in a directory, and prints their names.
func Create(dir string, locations, nodes []string, created io.Writer) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	w := &keyWriter{dir: dir}
	err := errors.Join(w.users(locations), w.nodes(nodes))
	cli.Writef(created, "%s", w.created.String())
	return err
}

// keyWriter creates the missing files in a directory.
type keyWriter struct {
	dir     string
	created strings.Builder
}

func (w *keyWriter) filename(name string) string { return filepath.Join(w.dir, name) }

func (w *keyWriter) has(name string) bool {
	_, err := os.Stat(w.filename(name))
	return !errors.Is(err, fs.ErrNotExist)
}

func (w *keyWriter) write(name string, content []byte) error {
	mode := os.FileMode(0o644) // the directory is closed to other users
	if name == "ca.key" {
		mode = 0o600 // not for containers
	}
	file, err := os.OpenFile(w.filename(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	_, err = file.Write(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	w.created.WriteString(w.filename(name) + "\n")
	return nil
}

// users creates a password for each user, and the file with their hashes for the
// nodes.
func (w *keyWriter) users(locations []string) error {
	if w.has("users.conf") {
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
		if err := w.write(rights.UserName(names, user)+".password", []byte(password+"\n")); err != nil {
			return err
		}
		users[i].Password = "$" + rights.PasswordVariable(names, user)
		fmt.Fprintf(&config, "%s = %q\n", rights.PasswordVariable(names, user), hash)
	}
	config.WriteString(rights.ServerConfig(names, users))
	return w.write("users.conf", []byte(config.String()))
}

// usersOf returns a user for each role, and for each location with check workers.
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

// nodes creates a certificate for each node, and first the CA.
func (w *keyWriter) nodes(names []string) error {
	if !w.has("ca.pem") {
		ca := certificate("Vedette cluster")
		ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
		if err := w.sign("ca", ca, nil); err != nil {
			return err
		}
	}
	authority, err := w.authority()
	if err != nil {
		return err
	}
	for _, name := range names {
		if w.has(name + ".pem") {
			continue
		}
		if err := w.sign(name, nodeCertificate(name), authority); err != nil {
			return err
		}
	}
	return nil
}
