package monitor

import (
	"errors"
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

func monitorKeys() []string {
	keys := append([]string{"name"}, job.Kinds()...)
	keys = append(keys, "group", "labels", "depends_on", "interval", "cron", "time_zone", "paused", "timeout", "expect", "warn", "negate")
	return append(keys, policyKeys()...)
}

// add reads one monitor.
func (c *collector) add(v value) {
	m, ok := c.mapping(v, "a monitor such as {name: website, http: https://example.org}",
		c.keys...)
	if !ok {
		return
	}
	before := len(c.problems)
	monitor := job.Monitor{V: job.Version, Name: c.name(m)}
	c.belonging(m, &monitor)
	monitor.Spec = c.spec(m)
	interval := c.when(m, &monitor)
	monitor.Timeout = job.Duration(c.ownTimeout(m, interval))
	failures, successes := c.defaults.failures, c.defaults.success
	if monitor.Heartbeat != nil { // its grace is what others have thresholds for
		failures, successes = 1, 1
	}
	monitor.FailureThreshold = c.threshold(m, "failure_threshold", failures)
	monitor.SuccessThreshold = c.threshold(m, "success_threshold", successes)
	c.policy(m, c.defaults.policy).apply(&monitor)
	c.places(m, c.defaults.places).apply(&monitor)
	if window, ok := m.get("failure_window"); ok && monitor.FailureWindow > 0 && monitor.FailureWindow <= monitor.FailureThreshold {
		c.report(window, window.describe(), fmt.Sprintf("more than the failure_threshold, %d", monitor.FailureThreshold), "that many of so many results make it down")
	}
	monitor.Notify = c.who(m, &monitor)
	if len(c.problems) == before {
		c.checkSpec(m, monitor.Spec)
	}
	if len(c.problems) == 0 {
		c.keep(m, monitor)
	}
}

// belonging reads what a monitor belongs to.
func (c *collector) belonging(m mapping, monitor *job.Monitor) {
	if v, ok := m.get("group"); ok {
		monitor.Group, _ = c.filled(v, "text")
	}
	monitor.Labels = c.labels(m)
	monitor.DependsOn = c.dependsOn(m, monitor.Name)
	if v, ok := m.get("paused"); ok {
		monitor.Paused = c.boolean(v)
	}
}

// name reads the name of a monitor, which no other may have.
func (c *collector) name(m mapping) string {
	v, ok := c.required(m, "name", aName)
	if !ok {
		return ""
	}
	name, ok := c.text(v, aName)
	if !ok || !c.validName(v, name) {
		return ""
	}
	if place := c.place(name); place > 0 {
		c.report(v, v.describe()+" again", "a name of its own, unlike the one in "+c.inputs.describe(place, c.source.name), "")
		return ""
	}
	*c.known.Value(c.known.Put(name, nil)) = uint32(c.source.base + v.line) //nolint:gosec // files have fewer lines
	return name
}

// when reads the schedule. It returns the interval, zero for cron.
func (c *collector) when(m mapping, monitor *job.Monitor) setting {
	cron, hasCron := m.get("cron")
	zone, hasZone := m.get("time_zone")
	interval := c.interval(m)
	if hasZone && !hasCron {
		c.report(zone, "a time_zone without cron", "cron beside it", "an interval is the same in all zones")
	}
	switch {
	case hasCron && interval.set:
		c.report(cron, "cron and interval", "one of them", "")
		return setting{set: true}
	case hasCron:
		c.cron(cron, zone, hasZone, monitor)
		return setting{set: true}
	case interval.set:
	default:
		interval = c.defaults.interval
	}
	monitor.Interval = job.Duration(interval.d)
	return interval
}

// cron reads an expression and its zone.
func (c *collector) cron(v, zoneAt value, hasZone bool, monitor *job.Monitor) {
	const expected = "a cron expression such as '15 3 * * *'"
	expression, ok := c.filled(v, expected)
	if ok {
		if _, err := schedule.Cron(expression, ""); err != nil {
			c.refused(v, err, expected)
			ok = false
		}
	}
	monitor.Cron = expression
	if !hasZone {
		return
	}
	const aZone = "an IANA name such as Europe/Berlin"
	if monitor.TimeZone, hasZone = c.filled(zoneAt, aZone); !hasZone {
		return
	}
	if !ok {
		expression = "@daily" // any will do to try the zone
	}
	if _, err := schedule.Cron(expression, monitor.TimeZone); err != nil {
		c.refused(zoneAt, err, aZone)
	}
}

// refused reports what the schedule finds wrong in a value, which may be one field
// of it. For a value from the environment nothing is shown.
func (c *collector) refused(v value, err error, expected string) {
	problem, ok := errors.AsType[schedule.Problem](err)
	if !ok || !v.safe() {
		c.wrong(v, expected)
		return
	}
	found := problem.Found
	if problem.Field != "" {
		found += " as the " + problem.Field
	}
	c.report(v, found, problem.Expected, "")
}

// interval reads an interval. Its duration is zero when it cannot be used.
func (r *reader) interval(m mapping) setting {
	v, ok := m.get("interval")
	if !ok {
		return setting{value: v}
	}
	s := setting{value: v, set: true}
	if s.d, ok = r.duration(v); !ok {
		return s
	}
	if _, err := schedule.Every(s.d, ""); err != nil {
		r.report(v, v.written(), fmt.Sprintf("whole seconds from 1s to %s", show(schedule.MaxInterval)), "")
		s.d = 0
	}
	return s
}

// timeout reads a timeout. Its duration is zero when it cannot be used.
func (r *reader) timeout(m mapping) setting {
	v, ok := m.get("timeout")
	if !ok {
		return setting{value: v}
	}
	s := setting{value: v, set: true}
	s.d, _ = r.duration(v)
	return s
}

// timeoutFits refuses a timeout that reaches into the next slot.
func (r *reader) timeoutFits(timeout, interval setting) {
	if timeout.d > 0 && interval.d > 0 && timeout.d >= interval.d {
		r.report(timeout.value, timeout.written(), "less than the interval "+show(interval.d), "")
	}
}

// ownTimeout is the timeout of a monitor. One that it does not set itself
// yields to its interval.
func (c *collector) ownTimeout(m mapping, interval setting) time.Duration {
	timeout := c.timeout(m)
	switch {
	case timeout.set:
		c.timeoutFits(timeout, interval)
		return timeout.d
	case interval.d > 0 && interval.d <= c.defaults.timeout.d:
		return interval.d * 4 / 5
	default:
		return c.defaults.timeout.d
	}
}

// who reads the recipients of a monitor: its own, those of the routes, or the
// defaults.
func (c *collector) who(m mapping, monitor *job.Monitor) []string {
	names, set := c.notify(m)
	routed, fits := routed(c.defaults.routes, monitor)
	switch {
	case set:
		return names
	case fits:
		return routed
	case c.defaults.notifySet:
		return c.defaults.notify
	}
	c.addSilent(m, monitor.Name)
	return nil
}
