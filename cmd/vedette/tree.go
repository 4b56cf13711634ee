package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/supervise"
	"vedette/producer"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/statuspage"
)

// serve builds the process's tree and serves it:
//
//	vedette          one_for_one
//	├── page         the overview, /healthz and /readyz
//	├── board        follows definitions, states and results for the page
//	├── changes      prints a line for each change
//	├── workers      the tree of workers/tree.go
//	├── scheduler
//	└── reload       reads the file at SIGHUP
//
// They meet in streams and buckets only, so a crash of one is none of the
// others'. They stop in reverse: first nothing new is scheduled, last goes the
// page, which tells of the stopping. Nothing here outlives the connection: it
// is closed after the tree, and the server after the connection.
func (r *instanceRun) serve(ctx context.Context) error {
	work, scheduler, err := r.work()
	if err != nil {
		return err
	}
	page, err := statuspage.New(statuspage.Config{
		Listen: r.options.http, Board: r.board, Logger: r.log,
		Ready:  func() []statuspage.Condition { return r.conditions(ctx, work, scheduler) },
		Queues: func(ctx context.Context) []statuspage.Queue { return work.Queues(ctx, time.Now()) },
		DeadLetters: func(ctx context.Context) uint64 {
			count, _ := r.pipeline.Count(ctx, pipeline.Dead) // the error is that the server is away, which /readyz tells
			return count
		},
	})
	if err != nil {
		return err
	}
	tree, err := supervise.New(supervise.Spec{
		Name: "vedette", Intensity: supervise.Restarts(rootRestarts), Window: time.Minute, Logger: r.log,
		Children: []supervise.Child{
			{Name: "page", Service: page},
			{Name: "board", Service: supervise.ServiceFunc(r.followBoard)},
			{Name: "changes", Service: supervise.ServiceFunc(r.printChanges)},
			{Name: "workers", Service: work, Shutdown: r.file.Server.Grace + time.Second},
			{Name: "scheduler", Service: scheduler},
			{Name: "reload", Service: supervise.ServiceFunc(func(ctx context.Context) error { return r.reload(ctx, work) })},
		},
	})
	if err != nil {
		return err
	}
	if err := r.greet(); err != nil {
		return err
	}
	if err := tree.Serve(ctx); err != nil {
		r.log.ErrorContext(ctx, "the process ends", "reason", err)
		return gaveUp(err)
	}
	_, err = fmt.Fprintln(r.stdout, "vedette stopped cleanly")
	return err
}

// rootRestarts is how many failures of its branches in a minute end the
// process; whoever started it may start it again.
const rootRestarts = 10

// gaveUp gives a tree that gave up its own exit code.
func gaveUp(err error) error {
	if _, ok := errors.AsType[*supervise.BreachError](err); ok {
		return &exitError{code: exitGaveUp, err: err}
	}
	return err
}

// work makes what does the work: the workers and the scheduler.
func (r *instanceRun) work() (*workers.Workers, *producer.Scheduler, error) {
	checker, err := check.New(check.Config{Logger: r.log})
	if err != nil {
		return nil, nil, err
	}
	work, err := workers.New(workers.Config{
		Pipeline: r.pipeline, Prober: checker, NewMailer: r.newMailer,
		Limits: workers.Limits(r.file.Workers), Grace: r.file.Server.Grace, Logger: r.log,
	})
	if err != nil {
		return nil, nil, err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: r.pipeline, Logger: r.log})
	return work, scheduler, err
}

// conditions are what must hold for the instance to do its work.
func (r *instanceRun) conditions(ctx context.Context, work *workers.Workers, scheduler *producer.Scheduler) []statuspage.Condition {
	scheduling := false
	select {
	case <-scheduler.Ready():
		scheduling = true
	default:
	}
	return []statuspage.Condition{
		condition("running", ctx.Err() == nil, "it is stopping"),
		condition("nats", r.pipeline.Connected(), "not connected"),
		condition("scheduler", scheduling, "the definitions are not loaded yet"),
		condition("workers", work.Ready(), "not every branch takes jobs"),
	}
}

func condition(name string, ok bool, otherwise string) statuspage.Condition {
	c := statuspage.Condition{Name: name, OK: ok}
	if !ok {
		c.Detail = otherwise
	}
	return c
}
