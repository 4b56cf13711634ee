package workers

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/workers/statuspage"
)

// Config says what a process works on.
type Config struct {
	Pipeline *pipeline.Pipeline
	// Prober makes the checks.
	Prober Prober
	// NewMailer makes what sends the mails, given the ledger of what was sent;
	// it is called at each start of the mail branch.
	NewMailer func(SentLedger) (Mailer, error)
	// Location is where this process checks. Defaults to "default".
	Location string
	// Checks, Evaluations and Mails are how many run at once. They default to
	// 256, 4 and 8.
	Checks, Evaluations, Mails int
	// Grace is how long all of it may take to stop. Defaults to 20s.
	Grace time.Duration
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Location == "" {
		c.Location = job.DefaultLocation
	}
	if c.Checks == 0 {
		c.Checks = 256
	}
	if c.Evaluations == 0 {
		c.Evaluations = 4
	}
	if c.Mails == 0 {
		c.Mails = 8
	}
	if c.Grace == 0 {
		c.Grace = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	var problems []error
	if c.Pipeline == nil {
		problems = append(problems, errors.New("pipeline: found none"))
	}
	if c.Prober == nil {
		problems = append(problems, errors.New("prober: found none"))
	}
	if c.NewMailer == nil {
		problems = append(problems, errors.New("mailer: found none"))
	}
	return errors.Join(problems...)
}

// Workers is every worker of a process under one supervisor.
type Workers struct {
	*supervise.Supervisor

	pools *poolSet
}

// New makes the workers' tree:
//
//	workers            one_for_one
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
	pools := &poolSet{}
	// The branches stop one after the other, so each has its part of the grace,
	// and its pools a little less, to give back what they could not finish.
	shutdown := config.Grace / branches
	grace := shutdown / 2
	branch := func(name string, service supervise.Service) supervise.Child {
		return supervise.Child{Name: name, Service: service, Shutdown: shutdown}
	}
	supervisor, err := supervise.New(supervise.Spec{
		Name: "workers", Strategy: supervise.OneForOne, Intensity: supervise.Restarts(maxRestarts), Window: restartWindow, Logger: config.Logger,
		Children: []supervise.Child{
			branch("mail", &mails{p: config.Pipeline, make: config.NewMailer, limit: config.Mails, grace: grace, pools: pools}),
			branch("notify", &announce{p: config.Pipeline, log: config.Logger, grace: grace, pools: pools, ready: supervise.Ready}),
			branch("evaluate", &judge{p: config.Pipeline, log: config.Logger, limit: config.Evaluations, grace: grace, pools: pools, ready: supervise.Ready}),
			branch("check", &checks{p: config.Pipeline, prober: config.Prober, location: config.Location, limit: config.Checks, grace: grace, pools: pools}),
		},
	})
	if err != nil {
		return nil, err
	}
	return &Workers{Supervisor: supervisor, pools: pools}, nil
}

const (
	branches      = 4
	maxRestarts   = 10
	restartWindow = time.Minute
)

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
				Waiting: waiting.Waiting, OldestAge: job.Duration(waiting.OldestAge.Truncate(time.Second)),
			}
		})
	}
	group.Wait()
	slices.SortFunc(queues, func(a, b statuspage.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return queues
}

// expectedPools is how many pools a process has when all its branches work.
const expectedPools = 5

// Ready reports whether every branch takes jobs.
func (w *Workers) Ready() bool { return len(w.pools.all()) == expectedPools }
