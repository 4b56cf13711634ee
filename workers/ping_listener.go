package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// PingListenerConfig configures a [PingListener].
type PingListenerConfig struct {
	Pipeline *pipeline.Pipeline
	// Request makes a request to the process's own listener, in the way in which
	// jobs ping it. An error means that pings cannot be taken.
	Request func(context.Context) error
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// PingListener renews the mark that this process takes pings. Several processes share
// one mark: pings can be taken while one of them works. See [job.Listening].
type PingListener struct{ config PingListenerConfig }

// NewPingListener returns a listener's mark, which starts with Serve.
func NewPingListener(config PingListenerConfig) *PingListener {
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	return &PingListener{config: config}
}

const (
	// requestTimeout limits the request to the own listener.
	requestTimeout = time.Second
	// firstInterval is how often the first mark is tried, since an absence lasts until
	// then.
	firstInterval = 50 * time.Millisecond
	// markTimeout limits a renewal. A mark that comes later than the next one would
	// be refused.
	markTimeout = 2 * time.Second
)

// Serve renews the mark until ctx ends. Without a renewal, the time counts as one in
// which no ping could be taken.
func (l *PingListener) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	ticker := time.NewTicker(firstInterval)
	defer ticker.Stop()
	for first := true; ; {
		err := l.renew(ctx)
		switch {
		case err == nil && first:
			first = false
			ticker.Reset(job.MarkInterval)
		case err != nil && ctx.Err() == nil:
			l.config.Logger.DebugContext(ctx, "pings cannot be taken; retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// renew renews the mark if pings can be taken.
func (l *PingListener) renew(ctx context.Context) error {
	request, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := l.config.Request(request); err != nil {
		return fmt.Errorf("reach own listener: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, markTimeout)
	defer cancel()
	mark, last, err := readListening(limited, l.config.Pipeline)
	if err != nil {
		return err
	}
	next := job.Listening{V: job.Version}
	if last.Sequence > 0 {
		next = mark.Next(last.Stored)
	}
	err = pipeline.PublishJob(limited, l.config.Pipeline, next, pipeline.Message{
		Subject: topology.ListeningSubject(), Header: pipeline.ExpectLast(last.Sequence),
	})
	if errors.Is(err, job.ErrConflict) {
		return nil // another process renewed it
	}
	return err
}
