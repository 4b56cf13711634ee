package workers

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/stranded"
	"vedette/pipeline/supervise"
	"vedette/workers/health"
	"vedette/workers/notify"
)

// The stages, each with its own supervisor. A dead letter names its stage.
const (
	StageMaintain = "maintain"
	StageMail     = "mail"
	StageNotify   = "notify"
	StageEvaluate = "evaluate"
	StageCheck    = "check"
)

// StageSchedule turns ticks into checks. It runs outside this package, in
// package producer.
const StageSchedule = "schedule"

// Stages returns the stages in this package, in the order in which they start.
func Stages() []string {
	return []string{StageMaintain, StageMail, StageNotify, StageEvaluate, StageCheck}
}

// Config says what a process works on.
type Config struct {
	Pipeline *pipeline.Pipeline
	// Stages are the stages that the process runs. Defaults to all.
	Stages []string
	// Prober makes the checks. The stage check needs it.
	Prober Prober
	// NewMailer makes the mailer, given the store that has the delivery status
	// for each mail. It is called at each start of the stage mail, which needs it.
	NewMailer func(Deliveries) (Mailer, error)
	// GiveUpAfter is how long a mail is tried. Defaults to 24h, which is also the
	// maximum.
	GiveUpAfter time.Duration
	// AllowedMails says which mails clients may enqueue. Defaults to all.
	AllowedMails AllowedMails
	// Renderer has the templates for mails, for the stage notify. Defaults to the
	// built-in templates.
	Renderer *notify.Renderer
	// Location is where this process checks. Defaults to "default".
	Location string
	// Reclaimed says which processes were killed before this one started, for the
	// records of the checks that they had.
	Reclaimed stranded.Reclaimed
	// Limits are how many jobs run at once.
	Limits Limits
	// AckWait is how long after a process died its jobs go to another process.
	// Defaults to 5s.
	AckWait time.Duration
	// Grace is how long the whole tree may take to stop. Defaults to 20s.
	Grace time.Duration
	// Conditions gets what the stages find that the process lacks. Defaults to a
	// registry that is not shown.
	Conditions *health.Conditions
	// Events, when set, receives the supervision events.
	Events func(supervise.Event)
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Stages == nil {
		c.Stages = Stages()
	}
	if c.Location == "" {
		c.Location = job.DefaultLocation
	}
	if c.GiveUpAfter == 0 {
		c.GiveUpAfter = defaultGiveUpAfter
	}
	if c.Grace == 0 {
		c.Grace = 20 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Conditions == nil {
		c.Conditions = health.NewConditions(time.Now)
	}
	c.Limits = c.Limits.withDefaults()
	var err error
	if c.Renderer == nil {
		c.Renderer, err = notify.NewRenderer(notify.Templates{})
	}
	return c, err
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
		return fmt.Errorf("validate workers: %w", err)
	}
	return nil
}

// Limits are how many jobs a process runs at once. A zero field keeps its
// default.
type Limits struct {
	// Checks limits scheduled checks, 256 by default; Adhoc limits ad-hoc checks,
	// 64; Calls limits checks whose callers wait for the outcome, 64.
	Checks, Adhoc, Calls int
	// Evaluations limits result batches, 4.
	Evaluations int
	// Mails limits alerts, 8, and separately ad-hoc mails and mail calls.
	Mails int
}

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		limit    *int
		standard int
	}{{&l.Checks, DefaultChecks}, {&l.Adhoc, 64}, {&l.Calls, 64}, {&l.Evaluations, 4}, {&l.Mails, 8}} {
		if *field.limit == 0 {
			*field.limit = field.standard
		}
	}
	return l
}

// DefaultChecks is the default for [Limits].Checks.
const DefaultChecks = 256

// MaxConcurrency is the upper bound for each limit.
const MaxConcurrency = 1 << 16

func (l Limits) validate() error {
	for _, field := range []struct {
		name  string
		limit int
	}{{"checks", l.Checks}, {"adhoc", l.Adhoc}, {"calls", l.Calls}, {"evaluations", l.Evaluations}, {"mails", l.Mails}} {
		if field.limit < 1 || field.limit > MaxConcurrency {
			return fmt.Errorf("limit of %s: found %d, expected 1 to %d", field.name, field.limit, MaxConcurrency)
		}
	}
	return nil
}

// fewAtOnce is the limit for pools whose jobs cost a few messages and wait for
// nothing else.
const fewAtOnce = 16
