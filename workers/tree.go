package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/workers/notify"
	"vedette/workers/statuspage"
)

// The stages, each a branch of the tree. A dead letter names its stage.
const (
	StageMaintain = "maintain"
	StageMail     = "mail"
	StageNotify   = "notify"
	StageEvaluate = "evaluate"
	StageCheck    = "check"
)

// Stages lists all stages, in the order in which their branches start.
func Stages() []string {
	return []string{StageMaintain, StageMail, StageNotify, StageEvaluate, StageCheck}
}

// Config says what a process works on.
type Config struct {
	Pipeline *pipeline.Pipeline
	// Stages are those that the process works on; nil means all.
	Stages []string
	// Prober makes the checks; only the stage check needs it.
	Prober Prober
	// NewMailer makes what sends the mails, given the ledger of what was sent;
	// it is called at each start of the mail branch, and only that needs it.
	NewMailer func(Deliveries) (Mailer, error)
	// GiveUpAfter is how long a mail is tried. Defaults to 24h, which is also the
	// most.
	GiveUpAfter time.Duration
	// Allow says which mails may be ordered. Defaults to all.
	Allow Allow
	// Words are those of the mails; only the stage notify needs them. Defaults to
	// the built-in ones.
	Words *notify.Renderer
	// Location is where this process checks. Defaults to "default".
	Location string
	// Limits are how many jobs run at once.
	Limits Limits
	// AckWait is how long after a process died its jobs are given to another.
	// Defaults to 5s.
	AckWait time.Duration
	// Grace is how long all of it may take to stop. Defaults to 20s.
	Grace time.Duration
	// Events, when set, is told what happens to the parts of the tree.
	Events func(supervise.Event)
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Stages == nil {
		c.Stages = Stages()
	}
	if c.Location == "" {
		c.Location = job.DefaultLocation
	}
	if c.GiveUpAfter == 0 {
		c.GiveUpAfter = giveUpAfter
	}
	if c.Grace == 0 {
		c.Grace = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	return c
}

func (c Config) validate() error {
	var problems []error
	for _, stage := range c.Stages {
		if !slices.Contains(Stages(), stage) {
			problems = append(problems, fmt.Errorf("stages: found %q, expected one of %s", stage, strings.Join(Stages(), ", ")))
		}
	}
	if c.Pipeline == nil {
		problems = append(problems, errors.New("pipeline: found none"))
	}
	if c.Prober == nil && slices.Contains(c.Stages, StageCheck) {
		problems = append(problems, errors.New("prober: found none"))
	}
	if c.NewMailer == nil && slices.Contains(c.Stages, StageMail) {
		problems = append(problems, errors.New("mailer: found none"))
	}
	problems = append(problems, c.Limits.validate())
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check workers: %w", err)
	}
	return nil
}

// Workers is every worker of a process under one supervisor.
type Workers struct {
	*supervise.Supervisor

	pools *poolSet
}

// New makes the workers' tree:
//
//	workers            one_for_one
//	├── operate        each of them a tree of its own, see there
//	├── mail
//	├── notify
//	├── evaluate
//	└── check
//
// The branches meet in streams only, so none needs the others to run, and a
// crash of one must not touch them: mail that panics stops no check, and its
// jobs wait in their stream. Within a branch the order counts: what holds the
// mirror, the batcher or the open sessions comes first, and the pools that
// stand on it are restarted with it. They stop in reverse order, so that what
// checkStage still find at the end is judged, announced and mailed if time allows;
// what is not waits in the streams.
//
// A part that fails more than five times in a minute fails its branch; a branch
// that does so three times in a minute is parked, and tried again each minute:
// half a sentinel is better than none, another process may do the branch's
// work, and the operators are told. A server that is away is no failure of
// anybody: parts that need it try again, every few seconds at the latest, for
// as long as it takes.
func New(config Config) (*Workers, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	if config.Words == nil {
		words, err := notify.NewRenderer(notify.Templates{})
		if err != nil {
			return nil, err
		}
		config.Words = words
	}
	w := &Workers{pools: &poolSet{limits: config.Limits}}
	// The branches stop one after the other, so each has its part of the grace,
	// and its pools a little less, to give back what they could not finish.
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
		child, err := branch(stage, config, common)
		if err != nil {
			return nil, err
		}
		spec.Children = append(spec.Children, child)
	}
	var err error
	w.Supervisor, err = supervise.New(spec)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// branch is the supervisor of a stage.
func branch(stage string, c Config, common *shared) (supervise.Child, error) {
	switch stage {
	case StageMaintain:
		return (&maintainStage{shared: common}).branch()
	case StageMail:
		return (&mailStage{shared: common, newMailer: c.NewMailer, giveUpAfter: c.GiveUpAfter, allow: c.Allow}).branch()
	case StageNotify:
		return (&notifyStage{shared: common, words: c.Words}).branch()
	case StageEvaluate:
		return (&evaluateStage{shared: common}).branch()
	default:
		return (&checkStage{shared: common, prober: c.Prober, location: c.Location}).branch()
	}
}

const (
	maxRestarts   = 3
	restartWindow = time.Minute
	parkFor       = time.Minute
)

// SetLimits changes how many jobs run at once, while they run. The error says
// what cannot be, or takes effect only at the next start.
func (w *Workers) SetLimits(limits Limits) error { return w.pools.setLimits(limits) }

// Queues tells what each pool of this process does, and what waits for it. Of
// a queue that cannot be read only the pool is told.
func (w *Workers) Queues(ctx context.Context, now time.Time) []statuspage.Queue {
	pools := w.pools.all()
	queues := make([]statuspage.Queue, len(pools))
	var group sync.WaitGroup
	for i, workers := range pools {
		group.Go(func() {
			running := workers.Status()
			waiting, _ := workers.Queue(ctx, now) // the error is that the server is away, which /readyz tells
			queues[i] = statuspage.Queue{
				Name: running.Name, Running: running.Running, Limit: running.Limit, Done: running.Done, Failed: running.Failed,
				Depth: waiting.Depth, Waiting: waiting.Waiting, OldestAge: job.Duration(waiting.OldestAge.Truncate(time.Second)),
			}
		})
	}
	group.Wait()
	slices.SortFunc(queues, func(a, b statuspage.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return queues
}

// Ready reports whether every part of every branch does its work.
func (w *Workers) Ready() bool { return AllRunning(w.Children()) }

// AllRunning reports whether every part of a tree does its work.
func AllRunning(tree []supervise.ChildStatus) bool {
	return !slices.ContainsFunc(tree, func(c supervise.ChildStatus) bool {
		return c.State != supervise.Running || !AllRunning(c.Children)
	})
}

// Status tells the state of a tree, and what the pools of this process do, and
// others that belong to it.
func (w *Workers) Status(tree []supervise.ChildStatus, others ...pool.Status) []job.ChildStatus {
	for _, workers := range w.pools.all() {
		others = append(others, workers.Status())
	}
	jobs := map[string]*job.ChildJobs{}
	for _, s := range others {
		jobs[s.Name] = &job.ChildJobs{Running: s.Running, Limit: s.Limit, Done: s.Done, Failed: s.Failed, Stuck: s.Stuck}
	}
	return status(tree, jobs)
}

func status(tree []supervise.ChildStatus, jobs map[string]*job.ChildJobs) []job.ChildStatus {
	children := make([]job.ChildStatus, len(tree))
	for i, c := range tree {
		children[i] = job.ChildStatus{
			Name: c.Name, State: string(c.State), Since: c.Since.UTC(), Incarnation: c.Incarnation, Restarts: c.Restarts, Strategy: c.Strategy,
		}
		if c.LastClass != "" {
			children[i].LastFailure = &job.ChildFailure{At: c.LastFailed.UTC(), Class: string(c.LastClass), Error: c.LastError, Stack: c.LastStack}
		}
		if len(c.Children) > 0 {
			children[i].Children = status(c.Children, jobs)
		} else {
			children[i].Jobs = jobs[c.Name]
		}
	}
	return children
}
