package bench

import (
	"context"
	"errors"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// withServer does something with an installation of its own, on a server in this
// process, and stops both. The error is that of what was done, or of a start or
// an end.
func withServer(ctx context.Context, config broker.Config, do func(*pipeline.Pipeline) error) (err error) {
	b, err := broker.Start(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	p, err := pipeline.Connect(ctx, pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret()})
	if err != nil {
		return err
	}
	defer func() { err = cli.JoinClose(p, err) }()
	if err := p.Ensure(ctx); err != nil {
		return err
	}
	return do(p)
}
