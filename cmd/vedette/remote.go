package main

import (
	"github.com/spf13/cobra"

	"vedette/pipeline"
)

// remote is how a command reaches a NATS server.
type remote struct {
	nats  string
	login login
}

func (r *remote) natsFlags(cmd *cobra.Command, usage string) {
	cmd.Flags().StringVar(&r.nats, "nats", "", usage)
	r.login.flags(cmd)
}

// config is what it takes to connect to a server.
func (r *remote) config(urls string) pipeline.Config {
	url, login := r.login.at(urls, environment)
	return pipeline.Config{URL: url, Login: login}
}
