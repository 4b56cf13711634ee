package instance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/notify"
	"vedette/workers/web"
)

// serve builds the process's tree and serves it:
//
//	vedette          one_for_one
//	├── notices      notifies operators of events in this tree
//	├── presence     keeps the process's lease, and answers 'vedette ps'
//	├── status-page  the status page, /healthz and /readyz
//	├── status-feed  follows definitions, states and results for the status page
//	├── changes      prints a line for each change
//	├── workers      the tree of workers/tree.go
//	├── scheduler    if the process has that role
//	└── reload       reads the file at SIGHUP
//
// They meet in streams and buckets only, so a crash of one is none of the
// others'. They stop in reverse: first nothing new is scheduled, last go the
// page, which tells of the stopping, and the notices, which may have to report
// a part that does not stop. Nothing here outlives the connection: it is closed
// after the tree, and the server after the connection.
//
// A part that fails more than five times in a minute ends the process, with an
// exit code of its own: whoever started it may start it again. The workers do
// not come to that, since their branches are parked instead.
func (r *instanceRun) serve(ctx context.Context) error {
	tree, err := r.tree(ctx)
	if err != nil {
		return err
	}
	if err := r.printBanner(); err != nil {
		return err
	}
	return r.serveTree(ctx, tree)
}

func (r *instanceRun) serveTree(ctx context.Context, tree *supervise.Supervisor) error {
	if err := tree.Serve(ctx); err != nil {
		r.log.ErrorContext(ctx, "the process ends", "reason", err)
		return r.reportGiveUp(ctx, err)
	}
	_, err := fmt.Fprintln(r.stdout, "vedette stopped cleanly")
	return err
}

// rootRestarts is how many failures of its parts in a minute end the process.
const rootRestarts = 5

func (r *instanceRun) tree(ctx context.Context) (*supervise.Supervisor, error) {
	work, scheduler, err := r.work()
	if err != nil {
		return nil, err
	}
	var tree *supervise.Supervisor
	page, err := web.NewStatusPage(web.StatusPageConfig{
		Listen: r.options.HTTP, Monitors: r.table, Pings: r.heartbeats, Logger: r.log,
		Ready:  func() []web.Condition { return r.conditions(ctx, tree) },
		Queues: func(ctx context.Context) []web.Queue { return work.Queues(ctx, time.Now()) },
		DeadLetters: func(ctx context.Context) uint64 {
			count, _ := inspect.Count(ctx, r.pipeline, topology.Dead) // the error is that the server is away, which /readyz tells
			return count
		},
	})
	if err != nil {
		return nil, err
	}
	presence := process.NewPresence(r.pipeline, process.Config{
		Version: cli.Version(), Stages: r.options.Stages, Location: r.options.Location,
		Children: func() []job.ChildStatus { return work.Status(tree.Children(), scheduler.Pools()...) },
	})
	excused := func(name string, serve func(context.Context) error) supervise.Child {
		return supervise.Child{Name: name, Service: r.pipeline.TolerateOutage(supervise.ServiceFunc(serve))}
	}
	waited := func(child supervise.Child) supervise.Child {
		child.StartTimeout = supervise.NoLimit // while the server is away it takes as long as that
		return child
	}
	children := []supervise.Child{
		{Name: "notices", Service: r.notices},
		waited(excused("presence", presence.Serve)),
		{Name: "status-page", Service: page},
		excused("status-feed", (&Feed{Pipeline: r.pipeline, Monitors: r.table, Heartbeats: r.heartbeats}).Serve),
		excused("changes", r.printChanges),
		{Name: "workers", Service: work},
	}
	if slices.Contains(r.options.Stages, workers.StageSchedule) {
		children = append(children, waited(excused("scheduler", scheduler.Serve)))
	}
	children = append(children, supervise.Child{Name: "reload", Service: supervise.ServiceFunc(func(ctx context.Context) error { return r.reload(ctx, work) })})
	tree, err = supervise.New(supervise.Spec{
		Name: "vedette", Intensity: supervise.Restarts(rootRestarts), Window: time.Minute, Events: r.notices.Hook, Logger: r.log,
		Children: children,
	})
	return tree, err
}

// noticeTimeout bounds the telling of why the process ends.
const noticeTimeout = 2 * time.Second

// reportGiveUp gives a tree that gave up its own exit code, and tells the operators.
func (r *instanceRun) reportGiveUp(ctx context.Context, err error) error {
	_, breach := errors.AsType[*supervise.BreachError](err)
	_, start := errors.AsType[*supervise.StartError](err)
	if !breach && !start {
		return err
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), noticeTimeout)
	defer cancel()
	notice := job.Notice{
		ID:   job.DeriveID("gave_up", r.pipeline.Process(), time.Now().UTC().Format(time.RFC3339Nano)),
		Kind: job.NoticeGaveUp, Summary: fmt.Sprintf("process %s ends: %v", r.pipeline.Process(), err),
	}
	if untold := r.pipeline.Notify(limited, notice); untold != nil {
		r.log.WarnContext(ctx, "tell operators why the process ends", "error", untold)
	}
	return &cli.ExitError{Code: cli.ExitGaveUp, Err: err}
}

// work makes what does the work: the workers and the scheduler.
func (r *instanceRun) work() (*workers.Workers, *producer.Scheduler, error) {
	policy, err := check.NewNetworkPolicy(r.file.Workers.AllowNetworks, r.file.Workers.DenyNetworks)
	if err != nil {
		return nil, nil, err
	}
	checker, err := check.New(check.Config{
		Logger: r.log, Probes: r.options.Probes, NetworkPolicy: policy, PerHost: r.file.Workers.ChecksPerHost, Pings: r.heartbeats, Secrets: r.secrets,
	})
	if err != nil {
		return nil, nil, err
	}
	guard, err := check.NewReferenceGuard(checker, r.file.Workers.ReferenceTargets)
	if err != nil {
		return nil, nil, err
	}
	words, err := notify.NewRenderer(notify.Templates{Text: r.file.Notifications.TextTemplate, HTML: r.file.Notifications.HTMLTemplate})
	if err != nil {
		return nil, nil, err
	}
	stages := slices.DeleteFunc(slices.Clone(r.options.Stages), func(role string) bool { return role == workers.StageSchedule })
	work, err := workers.New(workers.Config{
		Pipeline: r.pipeline, Stages: stages, Prober: guard, NewMailer: r.newMailer, Renderer: words, GiveUpAfter: r.file.Mail.GiveUpAfter,
		AllowedMails: workers.AllowedMails{From: r.file.Mail.AllowFrom, Recipients: r.file.Mail.AllowRecipients},
		Location:     r.options.Location, Limits: r.options.limits(r.file.Workers), Grace: r.file.Server.Grace, Events: r.notices.Hook, Logger: r.log,
	})
	if err != nil {
		return nil, nil, err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: r.pipeline, Logger: r.log})
	return work, scheduler, err
}

// limits are those that the command line sets, or else a file.
func (o Options) limits(w monitor.Workers) workers.Limits {
	if n := o.Concurrency; n > 0 {
		return workers.Limits{Checks: n, Adhoc: n, Calls: n, Evaluations: n, Mails: n}
	}
	return workers.Limits{Checks: w.Checks, Adhoc: w.Adhoc, Calls: w.Calls, Evaluations: w.Evaluations, Mails: w.Mails}
}

// conditions are what must hold for the instance to do its work.
func (r *instanceRun) conditions(ctx context.Context, tree *supervise.Supervisor) []web.Condition {
	return []web.Condition{
		Condition("running", ctx.Err() == nil, "it is stopping"),
		Condition("nats", r.pipeline.Connected(), "not connected"),
		Condition("parts", workers.AllRunning(tree.Children()), "not every part does its work: see 'vedette ps --tree'"),
	}
}

// Condition is a condition that explains itself when it does not hold.
func Condition(name string, ok bool, otherwise string) web.Condition {
	c := web.Condition{Name: name, OK: ok}
	if !ok {
		c.Detail = otherwise
	}
	return c
}
