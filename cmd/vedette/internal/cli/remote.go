package cli

import (
	"github.com/spf13/cobra"

	"vedette/pipeline"
)

// Remote is how a command reaches a NATS server.
type Remote struct {
	NATS  string
	Login Login
}

// NATSFlags adds the flag --nats, and those of the login.
func (r *Remote) NATSFlags(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&r.NATS, "nats", "", usage)
	r.Login.flags(cmd)
}

// Config is what it takes to connect to a server.
func (r *Remote) Config(urls string) pipeline.Config {
	url, login := r.Login.forURL(urls, environment)
	return pipeline.Config{URL: url, Login: login}
}
