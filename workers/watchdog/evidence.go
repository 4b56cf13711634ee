package watchdog

import (
	"context"
	"slices"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
)

const (
	// lookTimeout limits one look at everything; the processes have half of it to
	// answer.
	lookTimeout = 4 * time.Second
	askTime     = lookTimeout / 2
)

// ticks remembers when the newest tick was seen.
type ticks struct {
	sequence uint64
	at       time.Time
}

// look collects the evidence.
func (w *Watchdog) look(ctx context.Context) evidence {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	e := evidence{own: processState{name: w.config.Pipeline.Process(), conditions: w.config.Conditions()}, stages: w.config.Stages}
	e.write = w.lead.renew(ctx, w.config.Pipeline)
	e.server = w.ask(ctx, &e)
	e.at = time.Now()
	e.lastTick = w.ticks.at
	return e
}

// ask asks the server and all processes.
func (w *Watchdog) ask(ctx context.Context, e *evidence) error {
	p := w.config.Pipeline
	sequence, err := inspect.LastSequence(ctx, p, topology.Tick)
	if err != nil {
		return err
	}
	if sequence != w.ticks.sequence || w.ticks.at.IsZero() {
		w.ticks = ticks{sequence: sequence, at: time.Now()}
	}
	for _, q := range queues() {
		waiting, oldest, err := inspect.Waiting(ctx, p, q.consumer, time.Now())
		if err != nil {
			return err
		}
		e.queues = append(e.queues, queue{what: q.what, waiting: waiting, oldest: oldest, limit: q.limit})
	}
	answers, _, err := process.Ask(ctx, p, askTime)
	for _, a := range answers {
		e.processes = append(e.processes, processState{name: a.Process.Name, stages: a.Process.Stages, conditions: a.Conditions})
	}
	if !slices.ContainsFunc(e.processes, func(known processState) bool { return known.name == e.own.name }) {
		e.processes = append(e.processes, e.own)
	}
	return err
}

// watched is a queue of the path, and how long its jobs may wait.
type watched struct {
	consumer topology.Consumer
	what     string
	limit    time.Duration
}

// queues lists the queues of the path. An alert waits for a relay for minutes at
// times, which the condition mail reports earlier.
func queues() []watched {
	return []watched{
		{topology.SchedulerConsumer(), "ticks", 15 * time.Second},
		{topology.EvaluateConsumer(), "results", 30 * time.Second},
		{topology.NotifyConsumer(), "states", 30 * time.Second},
		{topology.MailConsumer(job.MailAlert), "alert mails", 5 * time.Minute},
		{topology.MailConsumer(job.MailOperator), "mails to operators", 5 * time.Minute},
	}
}
