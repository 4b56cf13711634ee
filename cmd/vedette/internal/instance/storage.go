package instance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/health"
	"vedette/workers/storage"
)

// errDataLost ends a run whose data are gone. The next run starts on an empty data
// directory.
var errDataLost = errors.New("data were lost")

// storageWatch watches the storage. Without a table the process is a worker, which
// waits for 'vedette run' to create the streams again.
func (r *instanceRun) storageWatch() *storage.Watch {
	config := storage.Config{
		Conditions: r.health, Connected: r.pipeline.Connected, Unstored: r.pipeline.Unstored,
		Installed: r.pipeline.CheckInstalled, Logger: r.log,
	}
	if r.broker != nil {
		config.Server, config.Restarted, config.Installed = r.broker, r.serverRestarted, nil
		r.restarts = make(chan string, 1)
		config.Restarts = r.restarts
	}
	if r.table != nil {
		config.Lost = r.dataLost
	}
	return storage.NewWatch(config)
}

// countTimeout bounds the time for counting what was lost.
const countTimeout = 3 * time.Second

// dataLost says what is lost, and ends this run.
func (r *instanceRun) dataLost(ctx context.Context, detail string) {
	limited, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	lost, err := countLost(limited, r.pipeline)
	if err != nil {
		lost = "it is not known what was in it (" + err.Error() + ")"
	}
	detail += "; " + lost + "; the monitors are defined again from " + r.path
	r.log.ErrorContext(ctx, "data were lost; starting again on an empty data directory", "detail", detail)
	r.health.Failed(job.ProcessStorage, health.Problem{Reason: job.FaultDataRemoved, Detail: detail})
	r.end(fmt.Errorf("%w: %s", errDataLost, detail))
}

// countLost says what an installation has, apart from the definitions. A server
// whose directory was removed still counts its messages, but can read few.
func countLost(ctx context.Context, p *pipeline.Pipeline) (string, error) {
	var parts []string
	for _, kind := range []struct {
		stream topology.Stream
		name   string
	}{
		{topology.Mail, "unsent mail"}, {topology.Adhoc, "enqueued check"}, {topology.Dead, "dead letter"}, {topology.Silences.Stream(), "silence"},
	} {
		n, err := inspect.Count(ctx, p, kind.stream)
		if err != nil {
			return "", err
		}
		if n > 0 {
			parts = append(parts, cli.Count(int(n), kind.name)) //nolint:gosec // bounded by the stream
		}
	}
	parts = append(parts, "the states, incidents and results of all monitors, and what people were notified of")
	return "lost with it are " + strings.Join(parts, ", "), nil
}

// enqueued counts checks that wait for a result. A worker does not read results,
// so that it expects none.
func (r *instanceRun) enqueued(within time.Duration) {
	if r.table != nil {
		r.progress.Enqueued(within)
	}
}

// repairTimeout bounds one repair of the clocks.
const repairTimeout = 30 * time.Second

// repairClocks creates the streams and clocks that are missing. A worker leaves
// that to 'vedette run'.
func (r *instanceRun) repairClocks(ctx context.Context) {
	if r.table == nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	r.log.WarnContext(ctx, "no ticks come; streams and clocks are examined")
	if err := r.pipeline.Ensure(limited); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "streams and clocks could not be examined; retrying", "error", err)
	}
}
