package cli

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

// Instance is how a command finds a running installation.
type Instance struct {
	Remote

	Data string
	cancel  context.CancelCauseFunc // of the command
}

// cancelOnRefusal ends the context of a command with what the server does not
// allow: whoever waits for the answer to that gets none, and would only learn
// that it took too long.
func cancelOnRefusal(run func(*cobra.Command, []string) error, end *context.CancelCauseFunc) func(*cobra.Command, []string) error {
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

// DefaultData is the data directory when none is named.
const DefaultData = "vedette-data"

// FindTimeout bounds how long a command looks for an instance that ought to be
// running.
const FindTimeout = 3 * time.Second

// Flags adds the flags that say where the installation is.
func (i *Instance) Flags(cmd *cobra.Command) {
	cmd.RunE = cancelOnRefusal(cmd.RunE, &i.cancel)
	cmd.Flags().StringVar(&i.Data, "data", DefaultData, "data directory of the running instance")
	i.NATSFlags(cmd, "URL of a NATS server, instead of the instance's own (default $NATS_URL, then --data)")
}

// URL is where the instance's server is: what was said, then the environment,
// then what the instance left in its data directory.
func (i *Instance) URL() (string, error) {
	if i.NATS != "" {
		return i.NATS, nil
	}
	if found := os.Getenv("NATS_URL"); found != "" {
		return found, nil
	}
	return broker.FindURL(i.Data)
}

// Local tells whether the server is that of the data directory.
func (i *Instance) Local() bool { return i.NATS == "" && os.Getenv("NATS_URL") == "" }

// server is how that server is reached: one of a data directory by what stands
// there, any other by what was said and by the environment.
func (i *Instance) server() (pipeline.Config, error) {
	url, err := i.URL()
	if err != nil {
		return pipeline.Config{}, err
	}
	if !i.Local() {
		url, login := i.Login.forURL(url, environment)
		return pipeline.Config{URL: url, Login: login, Refused: i.cancel}, nil
	}
	login := i.Login.Login
	if login.CAFile == "" {
		login.Pinned, err = broker.FindCertificate(i.Data)
	}
	return pipeline.Config{URL: url, Login: login, Refused: i.cancel}, err
}

// Connect joins the running installation.
func (i *Instance) Connect(ctx context.Context) (*pipeline.Pipeline, error) {
	config, err := i.server()
	if err != nil {
		return nil, err
	}
	soon, cancel := context.WithTimeout(ctx, FindTimeout)
	defer cancel()
	p, err := pipeline.Connect(soon, config)
	for _, known := range []error{pipeline.ErrUnknownUser, pipeline.ErrUntrusted, pipeline.ErrServerTooOld} {
		if errors.Is(err, known) {
			return nil, err // which has a hint of its own
		}
	}
	if err != nil {
		return nil, &HintError{Err: err, Hint: "is the instance running? 'vedette run FILE' starts one"}
	}
	limited, done := context.WithTimeout(ctx, CommandTimeout) // in which a cluster chooses who leads
	defer done()
	if err := p.CheckInstalled(limited); err != nil {
		return nil, JoinClose(p, err)
	}
	return p, nil
}

// CommandTimeout bounds what a command waits for a server.
const CommandTimeout = 10 * time.Second
