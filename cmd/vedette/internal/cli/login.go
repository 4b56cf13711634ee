package cli

import (
	"cmp"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vedette/pipeline"
)

// Login is how a command shows itself to a NATS server that is not the one of a
// data directory. What it is not told stands in the variables that NATS's own
// tools know. No secret is on the command line, which others can see.
type Login struct {
	pipeline.Login
}

func (l *Login) flags(cmd *cobra.Command) {
	for _, f := range []struct {
		into              *string
		name, what, instd string
	}{
		{&l.CAFile, "nats-ca", "file with the CAs that the NATS server is known by, instead of the system's", "NATS_CA"},
		{&l.CertFile, "nats-cert", "file with the certificate to show the NATS server", "NATS_CERT"},
		{&l.KeyFile, "nats-key", "file with its key", "NATS_KEY"},
		{&l.CredsFile, "nats-creds", "file with a user's JWT and seed", "NATS_CREDS"},
		{&l.SeedFile, "nats-nkey", "file with the seed of a user's nkey", "NATS_NKEY"},
		{&l.TokenFile, "nats-token-file", "file with a token; one itself can be in", "NATS_TOKEN"},
		{&l.PasswordFile, "nats-password-file", "file with the password of the user that the URL names; one itself can be in", "NATS_PASSWORD"},
	} {
		cmd.Flags().StringVar(f.into, f.name, "", f.what+" ($"+f.instd+")")
	}
}

// forURL completes a login for the server at a URL, and returns the URL to use: a
// name in it whose password is elsewhere has to be taken out, since one without
// a password is a token there.
func (l *Login) forURL(url string, lookup func(string) string) (string, pipeline.Login) {
	complete := l.Login
	for variable, into := range map[string]*string{"NATS_CA": &complete.CAFile, "NATS_CERT": &complete.CertFile, "NATS_KEY": &complete.KeyFile} {
		if *into == "" {
			*into = lookup(variable)
		}
	}
	if l.CredsFile+l.SeedFile+l.TokenFile+l.PasswordFile == "" && !strings.Contains(url, "@") {
		complete.CredsFile, complete.SeedFile, complete.Token = lookup("NATS_CREDS"), lookup("NATS_NKEY"), lookup("NATS_TOKEN")
		complete.User = lookup("NATS_USER")
	}
	if complete.PasswordFile == "" {
		complete.Password = lookup("NATS_PASSWORD")
	}
	if complete.Password+complete.PasswordFile == "" {
		return url, complete
	}
	without, user := cutUser(url)
	complete.User = cmp.Or(user, complete.User)
	if complete.User == "" { // then a password in the environment is none of ours
		complete.Password = ""
	}
	return without, complete
}

// cutUser takes the name out of URLs that have one without a password. One that
// stands alone among several counts for all of them.
func cutUser(urls string) (without, user string) {
	parts := strings.Split(urls, ",")
	for i, part := range parts {
		scheme, rest, found := strings.Cut(strings.TrimSpace(part), "://")
		if !found {
			scheme, rest = "nats", strings.TrimSpace(part)
		}
		name, host, named := strings.Cut(rest, "@")
		if named && !strings.Contains(name, ":") {
			user, parts[i] = name, scheme+"://"+host
		}
	}
	return strings.Join(parts, ","), user
}

// environment is where variables are looked up.
func environment(name string) string { return os.Getenv(name) }
