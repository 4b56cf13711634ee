package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"vedette/pipeline"
)

// Login is the login for a NATS server that no data directory names. The NATS
// tools' environment variables fill in missing flags. No secret is on the command
// line, which other users can see.
type Login struct {
	pipeline.Login
}

func (l *Login) flags(cmd *cobra.Command) {
	for _, f := range []struct {
		into                  *string
		name, usage, variable string
	}{
		{&l.CAFile, "nats-ca", "file with the CAs for the NATS server's certificate, instead of the system's", "NATS_CA"},
		{&l.CertFile, "nats-cert", "file with this client's certificate for the NATS server", "NATS_CERT"},
		{&l.KeyFile, "nats-key", "file with the key of that certificate", "NATS_KEY"},
		{&l.CredsFile, "nats-creds", "file with a user's JWT and seed", "NATS_CREDS"},
		{&l.SeedFile, "nats-nkey", "file with the seed of a user's nkey", "NATS_NKEY"},
		{&l.TokenFile, "nats-token-file", "file with a token; the variable has the token", "NATS_TOKEN"},
		{&l.PasswordFile, "nats-password-file", "file with the password for the user in the URL; the variable has the password", "NATS_PASSWORD"},
	} {
		cmd.Flags().StringVar(f.into, f.name, "", f.usage+" ($"+f.variable+")")
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
	if complete.User == "" { // the password in the environment is for something else
		complete.Password = ""
	}
	return without, complete
}

// cutUser removes usernames without a password from URLs, and returns the last
// one.
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
