// Package health knows what a process needs for its work, and whether it has it:
// storage that accepts messages, a tick for each second, a relay that takes mails,
// a clock that does not jump. Watches in other packages report to [Conditions];
// /readyz, 'vedette ps', 'vedette status', 'vedette doctor' and the status page
// show what is there, and a [Reporter] notifies the operators of changes.
package health

import (
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// Conditions holds the conditions of one process. It is safe for concurrent use.
type Conditions struct {
	now func() time.Time

	mu      sync.Mutex
	all     []job.ProcessCondition                 // in the order in which they were first reported
	since   map[job.ProcessConditionName]time.Time // Since, on the monotonic clock
	changed chan struct{}                          // closed and replaced at each change
}

// NewConditions returns conditions without any. now is the clock.
func NewConditions(now func() time.Time) *Conditions {
	return &Conditions{now: now, since: map[job.ProcessConditionName]time.Time{}, changed: make(chan struct{})}
}

// Problem is a condition that is not met. Reason is one word for programs, Detail
// one line for people. Advisory means that the process works on.
type Problem struct {
	Reason   job.ProcessConditionReason
	Detail   string
	Advisory bool
}

// Met reports that the process has what it needs.
func (c *Conditions) Met(name job.ProcessConditionName) {
	c.set(job.ProcessCondition{Name: name, OK: true})
}

// Failed reports that the process lacks what it needs. A repeated report with
// another reason or detail keeps the time of the first one.
func (c *Conditions) Failed(name job.ProcessConditionName, p Problem) {
	c.set(job.ProcessCondition{Name: name, Reason: p.Reason, Detail: p.Detail, Advisory: p.Advisory})
}

func (c *Conditions) set(next job.ProcessCondition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	next.Since = now.UTC()
	at := slices.IndexFunc(c.all, func(known job.ProcessCondition) bool { return known.Name == next.Name })
	switch {
	case at < 0:
		c.all = append(c.all, next)
		c.since[next.Name] = now
	case c.all[at].OK == next.OK:
		next.Since = c.all[at].Since
		if c.all[at] == next {
			return
		}
		c.all[at] = next
	default:
		c.all[at] = next
		c.since[next.Name] = now
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// List returns all conditions.
func (c *Conditions) List() []job.ProcessCondition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// timed is a condition with the time since when it is so, which can be compared
// after the clock was set.
type timed struct {
	job.ProcessCondition

	began time.Time
}

// timed returns all conditions.
func (c *Conditions) timed() []timed {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]timed, len(c.all))
	for i := range c.all {
		list[i] = timed{c.all[i], c.since[c.all[i].Name]}
	}
	return list
}

// Find returns one condition, and whether it was ever reported.
func (c *Conditions) Find(name job.ProcessConditionName) (job.ProcessCondition, bool) {
	for _, known := range c.List() {
		if known.Name == name {
			return known, true
		}
	}
	return job.ProcessCondition{}, false
}

// Changed returns a channel that is closed at the next change.
func (c *Conditions) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Ready reports whether all conditions are met, except advisory ones.
func Ready(conditions []job.ProcessCondition) bool {
	return !slices.ContainsFunc(conditions, func(c job.ProcessCondition) bool { return !c.OK && !c.Advisory })
}

// Failing returns the conditions that are not met.
func Failing(conditions []job.ProcessCondition) []job.ProcessCondition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c job.ProcessCondition) bool { return c.OK })
}
