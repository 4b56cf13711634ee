package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vedette/pipeline"
)

// remote is how a command reaches a NATS server.
type remote struct {
	nats         string
	ca           string
	passwordFile string
}

func (r *remote) natsFlags(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&r.nats, "nats", "", usage)
	cmd.Flags().StringVar(&r.ca, "nats-ca", "", "file with the CA of the NATS server's certificate, which makes TLS a must (default the system's, and TLS if the server wants it)")
	cmd.Flags().StringVar(&r.passwordFile, "nats-password-file", "", "file with the password of the user in the URL of the NATS server")
}

// config is what it takes to connect to a server.
func (r *remote) config(urls string) (pipeline.Config, error) {
	config := pipeline.Config{URL: urls, CAFile: r.ca}
	if r.passwordFile == "" {
		return config, nil
	}
	password, err := os.ReadFile(r.passwordFile)
	if err != nil {
		return config, fmt.Errorf("read password of the NATS server: %w", err)
	}
	config.URL, err = withPassword(urls, strings.TrimSpace(string(password)))
	return config, err
}

// withPassword gives the users of URLs their password, so that it stands in no
// command line.
func withPassword(urls, password string) (string, error) {
	parts := strings.Split(urls, ",")
	for i, part := range parts {
		parsed, err := url.Parse(strings.TrimSpace(part))
		if err != nil || parsed.User.Username() == "" {
			return "", fmt.Errorf("read URL of the NATS server: found %q, expected nats://USER@host:port, since there is a password", part)
		}
		parsed.User = url.UserPassword(parsed.User.Username(), password)
		parts[i] = parsed.String()
	}
	return strings.Join(parts, ","), nil
}
