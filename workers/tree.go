package workers

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/workers/web"
)

// Workers runs the stages of a process under one supervisor.
type Workers struct {
	*supervise.Supervisor

	pools *poolSet
}

// New makes the tree:
//
//	workers            one_for_one
//	├── maintain       each stage has its own tree
//	├── mail
//	├── notify
//	├── evaluate
//	└── check
//
// Stages meet only in streams, so that a crash in one does not touch the others:
// when mail panics, checks continue, and mail jobs wait in their stream. Within
// a stage the first child provides what the pools need, such as a batcher or
// open sessions, and the pools restart with it. Stages stop in reverse order, so
// that results from the last checks are still evaluated and mailed if time
// allows; otherwise they wait in the streams.
//
// A child that fails more than five times in a minute fails its stage. A stage
// that fails more than three times in a minute is parked, and tried again every
// minute: the other stages continue, another process may run the parked stage,
// and the operators are notified. An unavailable server does not count as a
// failure; children retry, at least every few seconds, until it is back.
func New(config Config) (*Workers, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := config.validate(); err != nil {
		return nil, err
	}
	w := &Workers{pools: &poolSet{limits: config.Limits}}
	// Stages stop one after the other, so each gets an equal share of the grace
	// period. Pools get half of that, and then return unfinished jobs.
	grace := config.Grace / time.Duration(len(Stages()))
	common := &shared{
		p: config.Pipeline, log: config.Logger, pools: w.pools, events: config.Events, grace: grace,
		base: pool.Config{AckWait: config.AckWait, Grace: grace / 2},
	}
	spec := supervise.Spec{
		Name: "workers", Strategy: supervise.OneForOne, Intensity: supervise.Restarts(maxRestarts), Window: restartWindow,
		OnBreach: supervise.BreachPark, ParkFor: parkFor, Events: config.Events, Logger: config.Logger,
	}
	for _, stage := range Stages() {
		if !slices.Contains(config.Stages, stage) {
			continue
		}
		child, err := stageSupervisor(stage, config, common)
		if err != nil {
			return nil, err
		}
		spec.Children = append(spec.Children, child)
	}
	w.Supervisor, err = supervise.New(spec)
	if err != nil {
		return nil, err
	}
	return w, nil
}

func stageSupervisor(stage string, c Config, common *shared) (supervise.Child, error) {
	switch stage {
	case StageMaintain:
		return (&maintainStage{shared: common}).supervisor()
	case StageMail:
		return (&mailStage{shared: common, newMailer: c.NewMailer, giveUpAfter: c.GiveUpAfter, allowed: c.AllowedMails, conditions: c.Conditions}).supervisor()
	case StageNotify:
		return (&notifyStage{shared: common, renderer: c.Renderer}).supervisor()
	case StageEvaluate:
		return (&evaluateStage{shared: common}).supervisor()
	default:
		return (&checkStage{shared: common, prober: c.Prober, location: c.Location, lost: c.Reclaimed}).supervisor()
	}
}

const (
	maxRestarts   = 3
	restartWindow = time.Minute
	parkFor       = time.Minute
)

// SetLimits changes how many jobs run at once. The error says which limits are
// invalid, or take effect only at the next start.
func (w *Workers) SetLimits(limits Limits) error { return w.pools.setLimits(limits) }

// Queues returns the status of each pool in this process and of its queue. When
// a queue cannot be read, only the pool's status is set.
func (w *Workers) Queues(ctx context.Context, now time.Time) []web.Queue {
	pools := w.pools.all()
	queues := make([]web.Queue, len(pools))
	var group sync.WaitGroup
	for i, workers := range pools {
		group.Go(func() {
			running := workers.Status()
			waiting, _ := workers.Queue(ctx, now) // fails while the server is away, which /readyz shows
			queues[i] = web.Queue{
				Name: running.Name, Running: running.Running, Limit: running.Limit, Done: running.Done, Failed: running.Failed,
				Depth: waiting.Depth, Waiting: waiting.Waiting, OldestAge: job.Duration(waiting.OldestAge.Truncate(time.Second)),
			}
		})
	}
	group.Wait()
	slices.SortFunc(queues, func(a, b web.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return queues
}

// AllRunning reports whether all children in a tree are running.
func AllRunning(tree []supervise.ChildStatus) bool {
	return !slices.ContainsFunc(tree, func(c supervise.ChildStatus) bool {
		return c.State != supervise.Running || !AllRunning(c.Children)
	})
}

// Status returns the status of a tree that has these workers, together with the
// jobs in their pools and in other pools in the tree.
func (w *Workers) Status(tree []supervise.ChildStatus, others ...pool.Status) []job.ChildStatus {
	for _, workers := range w.pools.all() {
		others = append(others, workers.Status())
	}
	jobs := map[string]*job.ChildJobs{}
	for _, s := range others {
		jobs[s.Name] = &job.ChildJobs{Running: s.Running, Limit: s.Limit, Done: s.Done, Failed: s.Failed, Stuck: s.Stuck}
	}
	return childStatus(tree, jobs)
}

func childStatus(tree []supervise.ChildStatus, jobs map[string]*job.ChildJobs) []job.ChildStatus {
	children := make([]job.ChildStatus, len(tree))
	for i, c := range tree {
		children[i] = job.ChildStatus{
			Name: c.Name, State: string(c.State), Since: c.Since.UTC(), Incarnation: c.Incarnation, Restarts: c.Restarts, Strategy: c.Strategy,
		}
		if c.LastClass != "" {
			children[i].LastFailure = &job.ChildFailure{At: c.LastFailed.UTC(), Class: string(c.LastClass), Error: c.LastError, Stack: c.LastStack}
		}
		if len(c.Children) > 0 {
			children[i].Children = childStatus(c.Children, jobs)
		} else {
			children[i].Jobs = jobs[c.Name]
		}
	}
	return children
}
