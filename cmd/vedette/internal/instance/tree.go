package instance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/supervise"
	"vedette/producer"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
	"vedette/workers/health"
	"vedette/workers/notify"
)

// rootRestarts is how many failures within a minute end the process.
const rootRestarts = 5

// tree builds the process's supervision tree:
//
//	vedette          one_for_one
//	├── notices      notifies operators about events in this tree
//	├── faults       notifies operators about what the process lacks for its work
//	├── storage      watches whether messages are stored, and restarts the server
//	├── clock        notices that the clock was set
//	├── presence     renews the process's lease, and answers 'vedette ps'
//	├── status-page  the status page, /healthz and /readyz
//	├── pings        marks that this process takes pings
//	├── status-feed  follows definitions, states and results for the status page
//	├── changes      prints a line for each change
//	├── workers      the tree in workers/tree.go
//	├── scheduler    if the process has that stage
//	├── progress     watches that ticks and results come, if it has that stage
//	├── last-word    writes the conditions to the data directory of a server inside
//	├── reload       reads the file at SIGHUP
//	└── watchdog     pings URLs while everything works, if the process has the stage maintain
//
// Instead of the status page, its marks and feed, and the changes, a worker has only the
// child health, and only with --http: its user may lack the rights to see
// everything.
//
// The children exchange data through streams and buckets only, so a crash stays in
// one child. They stop in reverse order: the scheduler before the workers, and
// last the status page, which shows the shutdown, and the notices, which may
// report a child that does not stop. The connection is closed after the tree, and
// the server after the connection.
//
// A child that fails more than five times in a minute ends the process, so that a
// service manager can restart it. The workers do not fail that way: their own
// children are parked.
func (r *instanceRun) tree(ctx context.Context) (*supervise.Supervisor, error) {
	work, scheduler, err := r.work()
	if err != nil {
		return nil, err
	}
	var tree *supervise.Supervisor
	conditions := func() []job.ProcessCondition { return r.conditions(ctx, tree) }
	views, err := r.views(work, conditions)
	if err != nil {
		return nil, err
	}
	presence := process.NewPresence(r.pipeline, process.Config{
		Version: cli.Version(), Stages: r.options.Stages, Location: r.options.Location, EmbeddedServer: r.options.NATS == "",
		Children:   func() []job.ChildStatus { return work.Status(tree.Children(), scheduler.Pools()...) },
		Conditions: conditions,
	})
	children := slices.Concat([]supervise.Child{
		{Name: "notices", Service: r.notices},
		{Name: "faults", Service: r.reporter},
		{Name: "storage", Service: r.storageWatch()},
		{Name: "clock", Service: supervise.ServiceFunc(r.watchClock)},
		withoutStartTimeout(r.tolerantChild("presence", presence.Serve)),
	}, views, []supervise.Child{{Name: "workers", Service: work}})
	if slices.Contains(r.options.Stages, workers.StageSchedule) {
		children = append(children, withoutStartTimeout(r.tolerantChild("scheduler", scheduler.Serve)), supervise.Child{Name: "progress", Service: r.progress})
	}
	if r.broker != nil {
		children = append(children, supervise.Child{Name: "last-word", Service: r.writeLastWord(conditions)})
	}
	children = append(children, supervise.Child{Name: "reload", Service: supervise.ServiceFunc(func(ctx context.Context) error { return r.reload(ctx, work) })})
	if slices.Contains(r.options.Stages, workers.StageMaintain) {
		r.watchdog = r.newWatchdog(conditions)
		children = append(children, supervise.Child{Name: "watchdog", Service: r.watchdog})
	}
	tree, err = supervise.New(supervise.Spec{
		Name: "vedette", Intensity: supervise.Restarts(rootRestarts), Window: time.Minute, Events: r.notices.Hook, Logger: r.log,
		Children: children,
	})
	return tree, err
}

// tolerantChild returns a child that an unreachable server does not fail.
func (r *instanceRun) tolerantChild(name string, serve func(context.Context) error) supervise.Child {
	return supervise.Child{Name: name, Service: r.pipeline.TolerateOutage(supervise.ServiceFunc(serve))}
}

// withoutStartTimeout is for a child that starts once the server can be reached.
func withoutStartTimeout(child supervise.Child) supervise.Child {
	child.StartTimeout = supervise.NoLimit
	return child
}

// serve builds the tree, prints the banner, and serves until ctx ends, the tree
// gives up, or the process must start again with another file.
func (r *instanceRun) serve(ctx context.Context) error {
	ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	tree, err := r.tree(ctx)
	if err != nil {
		return err
	}
	r.printBanner()
	return r.serveTree(ctx, tree)
}

func (r *instanceRun) serveTree(ctx context.Context, tree *supervise.Supervisor) error {
	if err := tree.Serve(ctx); err != nil {
		r.log.ErrorContext(ctx, "process ends", "reason", err)
		r.reportGiveUp(ctx, err)
		return err
	}
	if err := context.Cause(ctx); errors.Is(err, errDataLost) {
		return err
	}
	return nil
}

// noticeTimeout limits the time for notifying operators at the end.
const noticeTimeout = 2 * time.Second

// reportGiveUp notifies the operators if the process ends because its tree gave up.
func (r *instanceRun) reportGiveUp(ctx context.Context, err error) {
	_, breach := errors.AsType[*supervise.BreachError](err)
	_, start := errors.AsType[*supervise.StartError](err)
	if !breach && !start {
		return
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), noticeTimeout)
	defer cancel()
	notice := job.Notice{
		ID:   job.DeriveID("gave_up", r.pipeline.Process(), time.Now().UTC().Format(time.RFC3339Nano)),
		Kind: job.NoticeGaveUp, Summary: fmt.Sprintf("process %s ends: %v", r.pipeline.Process(), err),
	}
	if err := r.pipeline.Notify(limited, notice); err != nil {
		r.log.WarnContext(ctx, "notice about the end of the process was not sent", "error", err)
	}
}

// work returns the workers and the scheduler.
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
	renderer, err := r.newRenderer()
	if err != nil {
		return nil, nil, err
	}
	stages := slices.DeleteFunc(slices.Clone(r.options.Stages), func(stage string) bool { return stage == workers.StageSchedule })
	work, err := workers.New(workers.Config{
		Pipeline: r.pipeline, Stages: stages, Prober: guard, NewMailer: r.newMailer, Renderer: renderer, GiveUpAfter: r.file.Mail.GiveUpAfter,
		AllowedMails: workers.AllowedMails{From: r.file.Mail.AllowFrom, Recipients: r.file.Mail.AllowRecipients},
		Location:     r.options.Location, Limits: r.options.limits(r.file.Workers), Grace: r.file.Server.Grace, Conditions: r.health, Events: r.notices.Hook, Logger: r.log,
		Reclaimed: r.reclaimed,
	})
	if err != nil {
		return nil, nil, err
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{
		Pipeline: r.pipeline, Ticked: r.progress.Ticked, Enqueued: r.enqueued, Logger: r.log,
	})
	return work, scheduler, err
}

// newRenderer returns a renderer with the file's templates. What failed with other
// templates before has ended.
func (r *instanceRun) newRenderer() (*notify.Renderer, error) {
	if before, known := r.health.Find(job.ProcessTemplates); known && !before.OK {
		r.health.Met(job.ProcessTemplates)
	}
	return notify.NewRenderer(notify.Templates{
		Text: r.file.Notifications.TextTemplate, HTML: r.file.Notifications.HTMLTemplate,
		Failed: func(err error) {
			r.log.Error("template failed on a mail; it leaves with the built-in text", "error", err)
			r.health.Failed(job.ProcessTemplates, health.Problem{Reason: job.FaultTemplate, Detail: "a template for mails failed: " + err.Error(), Advisory: true})
		},
	})
}

// limits returns the limit from the command line, or those in the file.
func (o Options) limits(w monitor.Workers) workers.Limits {
	if n := o.Concurrency; n > 0 {
		return workers.Limits{Checks: n, Adhoc: n, Calls: n, Evaluations: n, Mails: n}
	}
	return workers.Limits{Checks: w.Checks, Adhoc: w.Adhoc, Calls: w.Calls, Evaluations: w.Evaluations, Mails: w.Mails}
}
