// Package storage watches whether messages are stored, and heals the NATS server
// inside the process: after a write error that server refuses messages until it is
// started again, however much room there is by then.
//
// Three things are observed: whether the data directory can be written, what the
// server inside the process says about its streams, and whether any publisher in
// the process got a message stored. The last one is the only one for a server
// elsewhere; each process publishes at least its lease, every five seconds. No
// message is published only to be observed: in a work queue it would be a job, and
// elsewhere consumers and readers would have to know it.
package storage

import (
	"context"
	"log/slog"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/workers/health"
)

// Server is a NATS server inside the process, such as *broker.Broker.
type Server interface {
	// CheckDirectory writes and removes a file with the given size in the data
	// directory. The error may be a *job.ConditionError.
	CheckDirectory(size int) error
	// CheckStreams returns what keeps the server from storing messages.
	CheckStreams() error
	// Restart stops the server and starts it again.
	Restart() error
}

// Config configures a [Watch].
type Config struct {
	// Conditions gets the condition storage.
	Conditions *health.Conditions
	// Server is nil if the server is elsewhere.
	Server Server
	// Connected reports whether the server can be reached. Nil means that nothing
	// is published in this process.
	Connected func() bool
	// Unstored lists the streams in which no message of this process was stored
	// lately.
	Unstored func() []pipeline.Unstored
	// Installed, when set, returns [pipeline.ErrNotInstalled] if the streams are
	// gone from a server elsewhere.
	Installed func(context.Context) error
	// Restarts, when set, delivers other reasons for a restart of the server.
	Restarts <-chan string
	// Restarted, when set, is called after a restart, until it succeeds.
	Restarted func(context.Context) error
	// Lost, when set, is called once when the data are gone: only a new start can
	// help, on an empty directory.
	Lost func(ctx context.Context, detail string)
	// Logger gets a line for each restart.
	Logger *slog.Logger
}

// Watch is a service that reports the condition storage, and heals the server.
type Watch struct {
	config    Config
	state     state
	directory patient
	streams   patient
	checked   time.Time // when the directory was last written
	ensure    bool      // Restarted has not succeeded since the last restart
	lost      bool      // Lost was called
}

// NewWatch returns a watch that starts with Serve.
func NewWatch(config Config) *Watch {
	return &Watch{config: config, state: state{inside: config.Server != nil}}
}

const (
	// period is how often everything is observed, except for the directory of a
	// server that seems well: to write a file wears out the disk.
	period          = 500 * time.Millisecond
	directoryPeriod = 5 * time.Second
	// smallProbe is written while all seems well, and largeProbe after a fault: to
	// start again needs more than a block.
	smallProbe = 4 << 10
	largeProbe = 256 << 10
	// restartedTimeout bounds one call of Restarted.
	restartedTimeout = 30 * time.Second
)

// Serve watches until ctx ends.
func (w *Watch) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case why := <-w.config.Restarts:
			w.restart(ctx, why)
		case <-ticker.C:
		}
	}
}

// look observes once, reports, and does what helps.
func (w *Watch) look(ctx context.Context) {
	found := w.observe(ctx)
	if ctx.Err() != nil || w.lost {
		return // what is observed now may be the stop
	}
	problem, act := w.state.decide(found)
	if problem == nil && w.ensure {
		act, problem = actEnsure, &health.Problem{Reason: job.FaultWriteError, Detail: "the NATS server was started again; its streams are being examined"}
	}
	if problem == nil {
		w.config.Conditions.Met(job.ProcessStorage)
	} else {
		w.config.Conditions.Failed(job.ProcessStorage, *problem)
	}
	switch act {
	case actRestart:
		w.restart(ctx, problem.Detail)
	case actEnsure:
		w.restarted(ctx)
	case actLost:
		if !w.lost && w.config.Lost != nil {
			w.lost = true
			w.config.Lost(ctx, problem.Detail)
		}
	case actNothing:
	}
}

// observe looks at everything once.
func (w *Watch) observe(ctx context.Context) observation {
	found := observation{at: time.Now(), connected: true}
	if w.config.Connected != nil {
		found.connected = w.config.Connected()
		found.unstored = w.config.Unstored()
	}
	if w.config.Server == nil {
		if len(found.unstored) > 0 && w.config.Installed != nil {
			found.installed = w.config.Installed(ctx)
		}
		return found
	}
	found.streams = w.streams.run(ctx, w.config.Server.CheckStreams)
	size := smallProbe
	if suspect := found.streams != nil || len(found.unstored) > 0 || w.state.failed; suspect {
		size = largeProbe
	} else if found.at.Sub(w.checked) < directoryPeriod {
		return found
	}
	found.directory = w.directory.run(ctx, func() error { return w.config.Server.CheckDirectory(size) })
	w.checked = found.at
	return found
}

// restart starts the server again. It does not end early with ctx: a server that
// is half stopped could not be stopped cleanly.
func (w *Watch) restart(ctx context.Context, why string) {
	w.config.Logger.WarnContext(ctx, "NATS server is restarted inside the process", "reason", why)
	began := time.Now()
	err := w.config.Server.Restart()
	w.state.restarted(time.Now())
	if err != nil {
		w.config.Logger.ErrorContext(ctx, "NATS server could not be restarted; retrying", "error", err)
		return
	}
	w.config.Logger.InfoContext(ctx, "NATS server was restarted", "took", time.Since(began).Round(time.Millisecond))
	w.ensure = w.config.Restarted != nil
	w.restarted(ctx)
}

func (w *Watch) restarted(ctx context.Context) {
	if !w.ensure {
		return
	}
	limited, cancel := context.WithTimeout(ctx, restartedTimeout)
	defer cancel()
	if err := w.config.Restarted(limited); err != nil {
		w.config.Logger.WarnContext(ctx, "streams could not be examined after the restart; retrying", "error", err)
		return
	}
	w.ensure = false
}
