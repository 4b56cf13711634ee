package instance

import (
	"context"
	"os"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// lastWordPeriod is how often the conditions are written if they do not change:
// those of the connection and the children are not reported, but asked for.
const lastWordPeriod = 2 * time.Second

// writeLastWord writes the process's conditions to the data directory, for commands
// that cannot reach the process.
func (r *instanceRun) writeLastWord(conditions func() []job.ProcessCondition) supervise.Service {
	return supervise.ServiceFunc(func(ctx context.Context) error {
		supervise.Ready(ctx)
		file, err := cli.OpenLastWord(r.options.Data)
		if err != nil { // such as on a full disk, which is reported
			r.log.WarnContext(ctx, "conditions cannot be written to the data directory", "error", err)
			<-ctx.Done()
			return nil
		}
		defer func() { _ = file.Close() }() // what is left of it names a process that is gone
		host, _ := os.Hostname()            // for people only
		ticker := time.NewTicker(lastWordPeriod)
		defer ticker.Stop()
		for {
			changed := r.health.Changed()
			err := file.Write(job.ProcessStatus{
				V: job.Version, Process: job.Process{V: job.Version, Name: r.pipeline.Process(), Host: host, PID: os.Getpid(), Version: cli.Version()},
				Conditions: conditions(),
			})
			if err != nil {
				r.log.DebugContext(ctx, "conditions could not be written to the data directory", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-changed:
			case <-ticker.C:
			}
		}
	})
}
