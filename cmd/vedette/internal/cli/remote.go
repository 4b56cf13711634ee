package cli

import (
	"os"

	"github.com/spf13/cobra"

	"vedette/pipeline"
)

// Remote is how a command connects to a NATS server.
type Remote struct {
	NATS  string
	Login Login
}

// NATSFlags adds the flag --nats, and the flags for the login.
func (r *Remote) NATSFlags(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&r.NATS, "nats", "", usage)
	r.Login.flags(cmd)
}

// Config returns a connection with the login from flags and environment.
func (r *Remote) Config(urls string) pipeline.Config {
	url, login := r.Login.forURL(urls, os.Getenv)
	return pipeline.Config{URL: url, Login: login}
}
