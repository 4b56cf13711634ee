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
	"vedette/producer"
)

const (
	// DefaultData is the data directory if no other is named.
	DefaultData = "vedette-data"
	// FindTimeout limits the time for connecting to an instance.
	FindTimeout = 3 * time.Second
	// CommandTimeout limits the time for other requests to a server.
	CommandTimeout = 10 * time.Second
)

// Instance is how a command finds a running installation.
type Instance struct {
	Remote

	Data string
	// Tolerant goes on when the server cannot read its streams: the processes
	// still answer, and say what is wrong.
	Tolerant bool
	cancel   context.CancelCauseFunc // cancels the command
}

// Flags adds the flags for finding an installation.
func (i *Instance) Flags(cmd *cobra.Command) {
	cmd.RunE = cancelOnRefusal(cmd.RunE, &i.cancel)
	cmd.Flags().StringVar(&i.Data, "data", DefaultData, "data directory of the running instance")
	i.NATSFlags(cmd, "URL of a NATS server, instead of the instance's own (default $NATS_URL, then --data)")
}

// cancelOnRefusal cancels a command when the server refuses a request: no reply
// follows, so the command would only report a timeout.
func cancelOnRefusal(run func(*cobra.Command, []string) error, set *context.CancelCauseFunc) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithCancelCause(cmd.Context())
		defer cancel(nil)
		cmd.SetContext(ctx)
		*set = cancel
		err := run(cmd, args)
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, pipeline.ErrRefused) {
			return fmt.Errorf("use NATS server: %w", cause)
		}
		return err
	}
}

// URL returns the server's URL: from the flag, the environment, or the data
// directory.
func (i *Instance) URL() (string, error) {
	if i.NATS != "" {
		return i.NATS, nil
	}
	if found := os.Getenv("NATS_URL"); found != "" {
		return found, nil
	}
	return broker.FindURL(i.Data)
}

// Local reports whether the URL is that in the data directory.
func (i *Instance) Local() bool { return i.NATS == "" && os.Getenv("NATS_URL") == "" }

// config returns the connection to the server. Only a server that the data
// directory does not name uses the login in the environment.
func (i *Instance) config() (pipeline.Config, error) {
	url, err := i.URL()
	if err != nil {
		return pipeline.Config{}, err
	}
	config := i.Config(url)
	if i.Local() {
		config = pipeline.Config{URL: url, Login: i.Login.Login}
		if config.Login.CAFile == "" {
			config.Login.Pinned, err = broker.FindCertificate(i.Data)
		}
	}
	config.Refused = i.cancel
	return config, err
}

// Connect connects to the running installation.
func (i *Instance) Connect(ctx context.Context) (*pipeline.Pipeline, error) {
	config, err := i.config()
	if err != nil {
		return nil, err
	}
	if err := config.Login.Validate(); err != nil {
		return nil, InputError(err)
	}
	soon, cancel := context.WithTimeout(ctx, FindTimeout)
	defer cancel()
	p, err := pipeline.Connect(soon, config)
	for _, known := range []error{pipeline.ErrUnknownUser, pipeline.ErrUntrusted, pipeline.ErrServerTooOld} {
		if errors.Is(err, known) {
			return nil, err // has its own hint
		}
	}
	if err != nil {
		return nil, &HintError{Err: err, Hint: "check that the instance is running; 'vedette run FILE' starts one"}
	}
	timeout := CommandTimeout // a cluster may be electing a leader
	if i.Tolerant {
		timeout = FindTimeout
	}
	limited, done := context.WithTimeout(ctx, timeout)
	defer done()
	if err := p.CheckInstalled(limited); err != nil && (!i.Tolerant || errors.Is(err, pipeline.ErrNotInstalled) || ctx.Err() != nil) {
		return nil, JoinClose(p, err)
	}
	return p, nil
}

// Query connects to an installation for one call of read.
func Query[T any](ctx context.Context, i *Instance, read func(context.Context, *pipeline.Pipeline) (T, error)) (T, error) {
	p, err := i.Connect(ctx)
	if err != nil {
		var none T
		return none, err
	}
	found, err := read(ctx, p)
	return found, JoinClose(p, err)
}

// QueryClient is [Query] with a client for jobs.
func QueryClient[T any](ctx context.Context, i *Instance, read func(context.Context, *producer.Client) (T, error)) (T, error) {
	return Query(ctx, i, func(ctx context.Context, p *pipeline.Pipeline) (T, error) {
		client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
		if err != nil {
			var none T
			return none, err
		}
		found, err := read(ctx, client)
		return found, JoinClose(client, err)
	})
}
