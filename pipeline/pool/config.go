package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Handler does one job. Its result is the job's fate: nil is done,
// [job.RetryIn] and [job.Interrupted] another attempt at the time they say,
// [job.Dead] a dead letter, [job.ErrNewer] that a newer process should do the
// job, any other error another attempt after the pool's backoff. It must return
// soon after ctx ends; an error that it returns after the pool began to stop is
// an interruption, not a failure.
type Handler func(ctx context.Context, d pipeline.Delivery) error

// Config describes a pool.
type Config struct {
	// Consumer is where the jobs come from, the same in every process that shares
	// the work. Its name is also the pool's.
	Consumer topology.Consumer
	// Stage is the pool's work, for people: check, evaluate, notify, mail.
	// Defaults to the consumer's name.
	Stage string
	// Limit is how many jobs run at once in this process, not counting those that
	// gave their slot back: see [Yield]. Defaults to 16.
	Limit int
	// MaxLimit is how far [Pool.SetLimit] may raise it. Defaults to the higher
	// of Limit and 1,024.
	MaxLimit int
	// Timeout is a job's deadline. Defaults to a minute.
	Timeout time.Duration
	// Grace is how long a job may go on after its deadline, or after the pool
	// began to stop, before it counts as stuck. Defaults to 5s. Stopping takes at
	// most half as much more, to settle the jobs that are done.
	Grace time.Duration
	// AckWait is how long after a process died its jobs are delivered to another.
	// Defaults to 5s; the hold on a running job is renewed every third of it.
	AckWait time.Duration
	// MaxUnsettled bounds the jobs in all processes that are running or waiting
	// for another attempt. Defaults to 20,000.
	MaxUnsettled int
	// Backoff is the wait between attempts.
	Backoff Backoff
	// GiveUpAfter is the age at which a failing job becomes a dead letter
	// instead of another attempt. Zero means never.
	GiveUpAfter time.Duration
	// Confirm waits until the server has confirmed that a job is settled. It costs
	// a round trip, and is for jobs whose repetition would go unnoticed.
	Confirm bool
	// Available, when set, reports whether the pool can do jobs at the moment.
	// While it cannot, jobs wait in the stream, where another process can take
	// them, and no attempt is lost. It is called often, and must not block.
	Available func() bool
	// OnDeadLetter, when set, is called when a job has become a dead letter. After
	// an error the job is delivered again, and set aside again.
	OnDeadLetter func(ctx context.Context, d pipeline.Delivery, letter deadletter.Letter) error
	// Handler does the jobs.
	Handler Handler
}

const (
	defaultLimit    = 16
	defaultMaxLimit = 1024
)

func (c Config) withDefaults() Config {
	if c.Available == nil {
		c.Available = func() bool { return true }
	}
	if c.Stage == "" {
		c.Stage = c.Consumer.Name
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	if c.MaxLimit == 0 {
		c.MaxLimit = max(c.Limit, defaultMaxLimit)
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	if c.AckWait == 0 {
		c.AckWait = 5 * time.Second
	}
	if c.MaxUnsettled == 0 {
		c.MaxUnsettled = 20_000
	}
	return c
}

func (c Config) validate() error {
	var problems []error
	if !job.ValidName(c.Consumer.Name) || strings.Contains(c.Consumer.Name, ".") { // the server takes no dots in a consumer's name
		problems = append(problems, fmt.Errorf("name: found %q, expected letters, digits, _ and -", c.Consumer.Name))
	}
	if c.Handler == nil {
		problems = append(problems, errors.New("handler: found none"))
	}
	if c.Limit < 0 || c.Limit > c.MaxLimit {
		problems = append(problems, fmt.Errorf("limit: found %d, expected 1 to %d", c.Limit, c.MaxLimit))
	}
	if c.AckWait < 0 || c.Timeout < 0 || c.Grace < 0 {
		problems = append(problems, errors.New("times: found a negative one"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check pool %s: %w", c.Consumer.Name, err)
	}
	return nil
}
