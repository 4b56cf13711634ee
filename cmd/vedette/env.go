package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// instance is how a command finds a running installation.
type instance struct {
	remote

	data string
	end  context.CancelCauseFunc // of the command
}

// endAtRefusal ends the context of a command with what the server does not
// allow: whoever waits for the answer to that gets none, and would only learn
// that it took too long.
func endAtRefusal(run func(*cobra.Command, []string) error, end *context.CancelCauseFunc) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithCancelCause(cmd.Context())
		defer cancel(nil)
		cmd.SetContext(ctx)
		*end = cancel
		err := run(cmd, args)
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, pipeline.ErrRefused) {
			return fmt.Errorf("use NATS server: %w", cause)
		}
		return err
	}
}

const defaultData = "vedette-data"

// findTimeout bounds how long a command looks for an instance that ought to be
// running.
const findTimeout = 3 * time.Second

func (i *instance) flags(cmd *cobra.Command) {
	cmd.RunE = endAtRefusal(cmd.RunE, &i.end)
	cmd.Flags().StringVar(&i.data, "data", defaultData, "data directory of the running instance")
	i.natsFlags(cmd, "URL of a NATS server, instead of the instance's own (default $NATS_URL, then --data)")
}

// url is where the instance's server is: what was said, then the environment,
// then what the instance left in its data directory.
func (i *instance) url() (string, error) {
	if i.nats != "" {
		return i.nats, nil
	}
	if found := os.Getenv("NATS_URL"); found != "" {
		return found, nil
	}
	return broker.FindURL(i.data)
}

// local tells whether the server is that of the data directory.
func (i *instance) local() bool { return i.nats == "" && os.Getenv("NATS_URL") == "" }

// server is how that server is reached: one of a data directory by what stands
// there, any other by what was said and by the environment.
func (i *instance) server() (pipeline.Config, error) {
	url, err := i.url()
	if err != nil {
		return pipeline.Config{}, err
	}
	if !i.local() {
		url, login := i.login.at(url, environment)
		return pipeline.Config{URL: url, Login: login, Refused: i.end}, nil
	}
	login := i.login.Login
	if login.CAFile == "" {
		login.Pinned, err = broker.FindCertificate(i.data)
	}
	return pipeline.Config{URL: url, Login: login, Refused: i.end}, err
}

// connect joins the running installation.
func (i *instance) connect(ctx context.Context) (*pipeline.Pipeline, error) {
	config, err := i.server()
	if err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	p, err := pipeline.Connect(soon, config)
	for _, known := range []error{pipeline.ErrUnknownUser, pipeline.ErrUntrusted, pipeline.ErrServerTooOld} {
		if errors.Is(err, known) {
			return nil, err // which has a hint of its own
		}
	}
	if err != nil {
		return nil, &hintError{err: err, hint: "is the instance running? 'vedette run FILE' starts one"}
	}
	limited, done := context.WithTimeout(ctx, commandTimeout) // in which a cluster chooses who leads
	defer done()
	if err := p.CheckInstalled(limited); err != nil {
		return nil, closing(p, err)
	}
	return p, nil
}

func envCommand() *cobra.Command {
	var where instance
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print how other programs reach the running instance",
		Long: `Prints NATS_URL, with the secret, in a form that a shell takes in, so that any
NATS client can order checks and mails.`,
		Example: `  eval "$(vedette env)"
  nats pub vedette.request.default.try1 '{"http": "https://example.org"}'
  nats kv get VEDETTE_OUTCOME check.try1 --raw`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, err := where.url()
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(cmd.OutOrStdout(), "export NATS_URL=%s\n", url); err != nil {
				return err
			}
			if authority, ok := broker.CertificateFile(where.data); ok && where.local() {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "export NATS_CA=%s\n", authority)
			}
			return err
		},
	}
	where.flags(cmd)
	return cmd
}
