package workers

import (
	"slices"
	"time"

	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
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
		return (&mailStage{shared: common, newMailer: c.NewMailer, giveUpAfter: c.GiveUpAfter, allowed: c.AllowedMails}).supervisor()
	case StageNotify:
		return (&notifyStage{shared: common, renderer: c.Renderer}).supervisor()
	case StageEvaluate:
		return (&evaluateStage{shared: common}).supervisor()
	default:
		return (&checkStage{shared: common, prober: c.Prober, location: c.Location}).supervisor()
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
