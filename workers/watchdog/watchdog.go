// Package watchdog pings URLs while the whole path works: ticks come, checks have
// results, states are written, and mails can leave. When something is wrong, the ping
// goes to another URL and says what; when even that cannot be done, the other side
// notices the silence. So a machine that is gone is noticed too.
//
// One process pings, and it asks all others. What the pings say is
// decided by [assess], a pure function.
package watchdog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/workers/health"
)

// Config configures a [Watchdog].
type Config struct {
	Pipeline *pipeline.Pipeline
	// Stages are the stages that must run in some process.
	Stages []string
	// Conditions returns the conditions in this process. The other processes say
	// theirs when they are asked.
	Conditions func() []job.ProcessCondition
	// Health gets the condition of the pings.
	Health *health.Conditions
	// HasServer is set if the server is inside this process.
	HasServer bool
	// Secret returns the secret with a name; nil if there are none.
	Secret func(name string) (string, error)
	// Logger defaults to one that discards.
	Logger *slog.Logger
}

// Watchdog pings targets.
type Watchdog struct {
	config Config
	pinger *pinger
	lead   lead
	ticks  ticks

	mu      sync.Mutex
	verdict verdict
	changed chan struct{} // closed and replaced when the pings have something new to say
	targets []Target
	replace chan struct{}   // closed and replaced with the targets
	failing map[int]failure // by target
}

// failure is a target that does not accept pings.
type failure struct {
	err   *pingError
	since time.Time
}

// New returns a watchdog without targets, which starts with Serve.
func New(config Config) *Watchdog {
	config.Logger = cmp.Or(config.Logger, slog.New(slog.DiscardHandler))
	id := job.DeriveID("watchdog", config.Pipeline.Process(), time.Now().UTC().Format(time.RFC3339Nano))
	if config.HasServer {
		id = "server" // of the next run too: there is one such process
	}
	return &Watchdog{
		config: config, pinger: newPinger(config.Secret), lead: lead{id: id, alone: config.HasServer},
		changed: make(chan struct{}), replace: make(chan struct{}), failing: map[int]failure{},
	}
}

// SetTargets replaces the targets. The same ones change nothing.
func (w *Watchdog) SetTargets(targets []Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if reflect.DeepEqual(w.targets, targets) {
		return
	}
	w.targets = slices.Clone(targets)
	close(w.replace)
	w.replace = make(chan struct{})
}

// releaseTimeout limits the time for handing over the lead at the end.
const releaseTimeout = time.Second

// Serve pings until ctx ends. It returns no error: what it cannot do is what it
// reports.
func (w *Watchdog) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	for ctx.Err() == nil {
		w.mu.Lock()
		targets, replaced := w.targets, w.replace
		w.mu.Unlock()
		round, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		if len(targets) > 0 {
			group.Go(func() { w.watchPath(round) })
		}
		for i := range targets {
			group.Go(func() { w.serveTarget(round, i, targets[i]) })
		}
		select {
		case <-ctx.Done():
		case <-replaced:
		}
		cancel()
		group.Wait()
		if len(targets) > 0 {
			w.forget()
		}
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := w.lead.release(limited, w.config.Pipeline); err != nil {
		w.config.Logger.DebugContext(ctx, "lead of the watchdog was not released", "error", err)
	}
	return nil
}

// forget drops what is known about targets.
func (w *Watchdog) forget() {
	w.mu.Lock()
	clear(w.failing)
	w.mu.Unlock()
	w.setCondition()
}

// lookPeriod is how often everything is looked at.
const lookPeriod = 2 * time.Second

// watchPath makes a verdict each period, until ctx ends.
func (w *Watchdog) watchPath(ctx context.Context) {
	ticker := time.NewTicker(lookPeriod)
	defer ticker.Stop()
	lasts := lasting{}
	for {
		e := w.look(ctx)
		if ctx.Err() != nil {
			return
		}
		w.setVerdict(ctx, verdict{at: e.at, leads: w.lead.leads(e.at), lines: lasts.update(assess(e), e.at)})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// setVerdict stores a verdict, and has it sent at once if it is another one.
func (w *Watchdog) setVerdict(ctx context.Context, v verdict) {
	w.mu.Lock()
	before := w.verdict
	w.verdict = v
	another := before.leads != v.leads || (len(before.lines) == 0) != (len(v.lines) == 0)
	if another {
		close(w.changed)
		w.changed = make(chan struct{})
	}
	w.mu.Unlock()
	if another {
		w.config.Logger.InfoContext(ctx, "verdict of the watchdog changed", "leads", v.leads, "wrong", strings.Join(v.lines, "; "))
	}
	if before.leads && !v.leads {
		w.forget() // another process pings now
	}
}

func (w *Watchdog) current() (verdict, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.verdict, w.changed
}

// retryPause is the time to the second try of a ping that was not accepted; it
// doubles, up to the interval.
const retryPause = 2 * time.Second

// serveTarget pings one target, until ctx ends. It waits for nothing else.
func (w *Watchdog) serveTarget(ctx context.Context, index int, t Target) {
	s := schedule{interval: t.Interval}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		_, changed := w.current()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
		began := time.Now()
		v, _ := w.current()
		send, wait := s.next(v, began)
		if send {
			err := w.pinger.ping(ctx, t, v.current(began))
			if ctx.Err() != nil {
				return
			}
			w.report(ctx, index, err)
			wait = s.after(err)
		}
		timer.Reset(max(0, wait-time.Since(began)))
	}
}

// schedule decides when a target is pinged.
type schedule struct {
	interval time.Duration
	pause    time.Duration // before the next try, zero after a success
	waited   bool          // for a verdict that is not too old
}

// next reports whether to ping now, and otherwise how long to wait. After a process
// was stopped for a while, its verdict is old, and a new one comes soon.
func (s *schedule) next(v verdict, now time.Time) (send bool, wait time.Duration) {
	switch old := now.Sub(v.at) > maxVerdictAge; {
	case !v.leads:
		return false, s.interval
	case old && !s.waited:
		s.waited = true
		return false, lookTimeout + lookPeriod
	case !old:
		s.waited = false
	}
	return true, 0
}

// after returns the time from a ping to the next one.
func (s *schedule) after(err error) time.Duration {
	if err == nil {
		s.pause = 0
		return s.interval
	}
	s.pause = min(s.interval, max(retryPause, 2*s.pause))
	return s.pause
}

// report records whether a target accepted a ping.
func (w *Watchdog) report(ctx context.Context, index int, err error) {
	refusal, failed := errors.AsType[*pingError](err)
	w.mu.Lock()
	known, was := w.failing[index]
	switch {
	case failed && !was:
		w.failing[index] = failure{err: refusal, since: time.Now()}
	case failed:
		w.failing[index] = failure{err: refusal, since: known.since}
	default:
		delete(w.failing, index)
	}
	w.mu.Unlock()
	if failed && !was {
		w.config.Logger.WarnContext(ctx, "watchdog does not accept pings; retrying", "watchdog", index+1, "error", refusal)
	} else if was && !failed {
		w.config.Logger.InfoContext(ctx, "watchdog accepts pings again", "watchdog", index+1)
	}
	w.setCondition()
}

// pingPatience is how long pings must fail before the condition does: a restart at the
// other side is shorter. The third retry comes after 14 s.
const pingPatience = 10 * time.Second

// setCondition reports the pings to all targets.
func (w *Watchdog) setCondition() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	var texts []string
	var reason job.ProcessConditionReason
	for _, index := range slices.Sorted(maps.Keys(w.failing)) {
		f := w.failing[index]
		if now.Sub(f.since) < pingPatience {
			continue
		}
		reason = cmp.Or(reason, f.err.reason)
		texts = append(texts, fmt.Sprintf("watchdog %d does not accept pings: %s", index+1, f.err))
	}
	if len(texts) == 0 {
		w.config.Health.Met(job.ProcessWatchdog)
		return
	}
	w.config.Health.Failed(job.ProcessWatchdog, health.Problem{Reason: reason, Detail: strings.Join(texts, "; "), Advisory: true})
}
