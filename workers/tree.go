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
	"vedette/pipeline/supervise"
	"vedette/workers/statuspage"
)

// The stages, each a branch of the tree. A dead letter names its stage.
const (
	StageOperate  = "operate"
	StageMail     = "mail"
	StageNotify   = "notify"
	StageEvaluate = "evaluate"
	StageCheck    = "check"
)

// Stages lists all stages, in the order in which their branches start.
func Stages() []string {
	return []string{StageOperate, StageMail, StageNotify, StageEvaluate, StageCheck}
}

// poolsOf is how many pools the branch of each stage serves.
func poolsOf(stage string) int {
	return map[string]int{StageOperate: 4, StageMail: 2, StageNotify: 1, StageEvaluate: 1, StageCheck: 3}[stage]
}

// Config says what a process works on.
type Config struct {
	Pipeline *pipeline.Pipeline
	// Stages are those that the process works on; empty means all.
	Stages []string
	// Prober makes the checks; only the stage check needs it.
	Prober Prober
	// NewMailer makes what sends the mails, given the ledger of what was sent;
	// it is called at each start of the mail branch, and only that needs it.
	NewMailer func(SentLedger) (Mailer, error)
	// Location is where this process checks. Defaults to "default".
	Location string
	// Limits are how many jobs run at once.
	Limits Limits
	// AckWait is how long after a process died its jobs are given to another.
	// Defaults to 5s.
	AckWait time.Duration
	// Grace is how long all of it may take to stop. Defaults to 20s.
	Grace time.Duration
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if len(c.Stages) == 0 {
		c.Stages = Stages()
	}
	if c.Location == "" {
		c.Location = job.DefaultLocation
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

	pools    *poolSet
	expected int // pools, when every branch works
}

// New makes the workers' tree:
//
//	workers            one_for_one
//	├── operate
//	├── mail
//	├── notify
//	├── evaluate
//	└── check
//
// The branches meet in streams only, so none needs the others to run, and a
// crash of one must not touch them: mail that panics stops no check, and its
// jobs wait in their stream. Whatever stands on one connection stands inside
// one branch and is made anew with it. They stop in reverse order, so that
// what checks still find at the end is judged, announced and mailed if time
// allows; what is not waits in the streams.
//
// A branch that fails again and again is given up on after ten failures in a
// minute; then so is the tree, since half a sentinel is none.
func New(config Config) (*Workers, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	w := &Workers{pools: &poolSet{limits: config.Limits}}
	// The branches stop one after the other, so each has its part of the grace,
	// and its pools a little less, to give back what they could not finish.
	shutdown := config.Grace / time.Duration(len(Stages()))
	base := pipeline.PoolConfig{AckWait: config.AckWait, Grace: shutdown / 2}
	var children []supervise.Child
	for _, stage := range Stages() {
		if slices.Contains(config.Stages, stage) {
			children = append(children, supervise.Child{Name: stage, Service: branch(stage, config, base, w.pools), Shutdown: shutdown})
			w.expected += poolsOf(stage)
		}
	}
	var err error
	w.Supervisor, err = supervise.New(supervise.Spec{
		Name: "workers", Strategy: supervise.OneForOne, Intensity: supervise.Restarts(maxRestarts), Window: restartWindow,
		Logger: config.Logger, Children: children,
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// branch is the service of a stage.
func branch(stage string, c Config, base pipeline.PoolConfig, pools *poolSet) supervise.Service {
	switch stage {
	case StageOperate:
		return &operate{p: c.Pipeline, log: c.Logger, pools: pools, base: base, ready: supervise.Ready}
	case StageMail:
		return &mails{p: c.Pipeline, make: c.NewMailer, pools: pools, base: base}
	case StageNotify:
		return &announce{p: c.Pipeline, log: c.Logger, pools: pools, base: base, ready: supervise.Ready}
	case StageEvaluate:
		return &judge{p: c.Pipeline, log: c.Logger, pools: pools, base: base, ready: supervise.Ready}
	default:
		return &checks{p: c.Pipeline, prober: c.Prober, location: c.Location, pools: pools, base: base}
	}
}

const (
	maxRestarts   = 10
	restartWindow = time.Minute
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
	for i, pool := range pools {
		group.Go(func() {
			running := pool.Status()
			waiting, _ := pool.Queue(ctx, now) // the error is that the server is away, which /readyz tells
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

// Ready reports whether every branch takes jobs.
func (w *Workers) Ready() bool { return len(w.pools.all()) == w.expected }
