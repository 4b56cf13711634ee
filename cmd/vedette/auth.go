package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

func authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "auth",
		Short:   "Make the users of a shared NATS server",
		Long:    "Makes the users of a shared NATS server, one for each role, with passwords.",
		Example: "  vedette auth init /etc/vedette/auth --server tls://nats-1:4222,tls://nats-2:4222",
		Args:    knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(authInitCommand())
	return cmd
}

func authInitCommand() *cobra.Command {
	var a authFiles
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Write users with passwords for the server, and a URL for each role's programs",
		Long: `Makes a password for each role, and writes into DIR

  users.conf  the users with their rights and the hashes of their passwords, for
              the servers: include it in nats-server's configuration
  NAME.url    how programs of a role reach the servers, with the password, such
              as mail-worker.url or check-worker-fra.url: give each machine
              those of its roles alone, and there NATS_URL=$(cat NAME.url)

A check worker may make the checks of its location and no other, so each of
--location has a user of its own. A file that is there is never overwritten:
to change passwords, write into another directory. The roles are

` + roleLines(),
		Example: `  vedette auth init auth --server nats://127.0.0.1:4222
  vedette auth init auth --server tls://nats-1:4222,tls://nats-2:4222 --location default,fra,nyc`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.dir = args[0]
			if err := a.validate(); err != nil {
				return usageError(cmd, err)
			}
			return a.write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringSliceVar(&a.servers, "server", []string{"nats://127.0.0.1:4222"}, "how programs reach the servers, without a user")
	cmd.Flags().StringSliceVar(&a.locations, "location", []string{job.DefaultLocation}, "locations of check workers")
	return cmd
}

// authFiles are the users of a server, as files.
type authFiles struct {
	dir                string
	servers, locations []string
}

func (a authFiles) validate() error {
	var problems []error
	for _, server := range a.servers {
		parsed, err := url.Parse(server)
		if err == nil {
			server = parsed.Redacted()
		}
		if err != nil || parsed.Host == "" || parsed.User != nil || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, parsed.Scheme) || !hasPort(parsed) {
			problems = append(problems, fmt.Errorf("read --server: found %q, expected one such as tls://nats-1:4222, without a user", server))
		}
	}
	for _, location := range a.locations {
		if !job.ValidName(location) || strings.Contains(location, ".") {
			problems = append(problems, fmt.Errorf("read --location: found %q, expected letters, digits, _ and -", location))
		}
	}
	return errors.Join(problems...)
}

func hasPort(server *url.URL) bool {
	_, port, err := net.SplitHostPort(server.Host)
	number, notNumber := strconv.Atoi(port)
	return err == nil && notNumber == nil && number > 0
}

// users are a user for each role, and for each location of check workers.
func (a authFiles) users() []pipeline.User {
	var users []pipeline.User
	for _, role := range pipeline.Roles() {
		if role != pipeline.RoleCheckWorker {
			users = append(users, pipeline.User{Role: role})
			continue
		}
		for _, location := range a.locations {
			users = append(users, pipeline.User{Role: role, Location: location})
		}
	}
	return users
}

// write makes the passwords, and writes the files. Those of the programs are
// written first: with users.conf all is there.
func (a authFiles) write(out io.Writer) error {
	if err := os.MkdirAll(a.dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	names := pipeline.Names{Prefix: "vedette"}
	users := a.users()
	for i := range users {
		password := rand.Text()
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
		if err != nil {
			return fmt.Errorf("hash password: %w", err)
		}
		users[i].Password = strconv.Quote(string(hash))
		path := filepath.Join(a.dir, strings.TrimPrefix(names.UserName(users[i]), names.Prefix+"-")+".url")
		if err := writeNew(path, a.urls(names.UserName(users[i]), password)+"\n"); err != nil {
			return err
		}
		say(out, "%s\n", path)
	}
	path := filepath.Join(a.dir, "users.conf")
	if err := writeNew(path, names.ServerConfig(users)); err != nil {
		return err
	}
	say(out, "%s\n", path)
	return nil
}

func (a authFiles) urls(user, password string) string {
	urls := make([]string, len(a.servers))
	for i, server := range a.servers {
		scheme, rest, _ := strings.Cut(server, "://")
		urls[i] = scheme + "://" + user + ":" + password + "@" + rest
	}
	return strings.Join(urls, ",")
}

// writeNew writes a file that only its owner can read, and that is not there.
func writeNew(path, text string) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the directory is the one that was asked for
	if errors.Is(err, fs.ErrExist) {
		return &hintError{err: fmt.Errorf("write %s: it is there already", path), hint: "write into another directory, and give the new files to servers and programs"}
	}
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
