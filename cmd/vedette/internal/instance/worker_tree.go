package instance

import (
	"context"
	"io"
	"slices"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/supervise"
	"vedette/workers"
	"vedette/workers/web"
)

// workerTree is the tree of a process that works for an installation elsewhere:
//
//	vedette          one_for_one
//	├── notices      notifies operators of events in this tree
//	├── presence     keeps the process's lease, and answers 'vedette ps'
//	├── health       /healthz and /readyz, if the process is to have them
//	├── workers      the tree of workers/tree.go
//	├── scheduler    if the process has that role
//	└── reload       changes limits at SIGHUP, if there is a file
//
// It is that of [instanceRun.serve] without what looks at everything, for which
// the user of a single role has no rights.
func (r *instanceRun) workerTree(ctx context.Context) (*supervise.Supervisor, error) {
	work, scheduler, err := r.work()
	if err != nil {
		return nil, err
	}
	var tree *supervise.Supervisor
	presence := process.NewPresence(r.pipeline, process.Config{
		Version: cli.Version(), Stages: r.options.Stages, Location: r.options.Location,
		Children: func() []job.ChildStatus { return work.Status(tree.Children(), scheduler.Pools()...) },
	})
	children := []supervise.Child{
		{Name: "notices", Service: r.notices},
		{Name: "presence", Service: r.pipeline.TolerateOutage(supervise.ServiceFunc(presence.Serve)), StartTimeout: supervise.NoLimit},
	}
	if r.options.HTTP != "" {
		health, err := web.NewHealthServer(web.HealthServerConfig{
			Listen: r.options.HTTP, Ready: func() []web.Condition { return r.conditions(ctx, tree) }, Logger: r.log,
		})
		if err != nil {
			return nil, err
		}
		children = append(children, supervise.Child{Name: "health", Service: health})
	}
	children = append(children, supervise.Child{Name: "workers", Service: work})
	if slices.Contains(r.options.Stages, workers.StageSchedule) {
		children = append(children, supervise.Child{
			Name: "scheduler", Service: r.pipeline.TolerateOutage(supervise.ServiceFunc(scheduler.Serve)), StartTimeout: supervise.NoLimit,
		})
	}
	if r.path != "" {
		children = append(children, supervise.Child{Name: "reload", Service: supervise.ServiceFunc(func(ctx context.Context) error { return r.relimit(ctx, work) })})
	}
	tree, err = supervise.New(supervise.Spec{
		Name: "vedette", Intensity: supervise.Restarts(rootRestarts), Window: time.Minute, Events: r.notices.Hook, Logger: r.log,
		Children: children,
	})
	return tree, err
}

// relimit reads the file again at each SIGHUP, for the limits, until ctx ends.
func (r *instanceRun) relimit(ctx context.Context, work *workers.Workers) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangups:
		}
		file, err := cli.LoadFile(r.path, io.Discard)
		if err != nil {
			cli.Writef(r.stderr, "vedette: %v\nvedette: %s was not applied; everything goes on as before\n", err, r.path)
			continue
		}
		if err := work.SetLimits(r.options.limits(file.Workers)); err != nil {
			cli.Writef(r.stderr, "warning: %v\n", err)
		}
		r.warnUnapplied(file)
	}
}
