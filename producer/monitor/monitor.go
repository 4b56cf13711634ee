package monitor

import (
	"errors"
	"fmt"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/schedule"
)

// add reads one monitor.
func (c *collector) add(v value) {
	m, ok := c.mapping(v, "a monitor such as {name: website, http: https://example.org}",
		c.keys["monitors[]"]...)
	if !ok {
		return
	}
	before := len(c.problems)
	monitor := job.Monitor{V: job.Version, Name: c.readName(m)}
	c.readAttributes(m, &monitor)
	monitor.Spec = probeReader{c}.readSpec(m)
	interval := c.readSchedule(m, &monitor)
	monitor.Timeout = job.Duration(c.readTimeout(m, interval))
	monitor.FailureThreshold, monitor.SuccessThreshold = c.defaults.failures, c.defaults.success
	if monitor.Heartbeat != nil { // its grace is what others have thresholds for
		monitor.FailureThreshold, monitor.SuccessThreshold = 1, 1
	}
	c.setInteger(m, "failure_threshold", maxThreshold, &monitor.FailureThreshold)
	c.setInteger(m, "success_threshold", maxThreshold, &monitor.SuccessThreshold)
	policyReader{c.reader}.readPolicy(m, c.defaults.policy).apply(&monitor)
	policyReader{c.reader}.readLocations(m, c.defaults.locations).apply(&monitor)
	if window, ok := m.get("failure_window"); ok && monitor.FailureWindow > 0 && monitor.FailureWindow <= monitor.FailureThreshold {
		c.report(window, window.describe(), fmt.Sprintf("more than the failure_threshold, %d", monitor.FailureThreshold), "that many of so many results make it down")
	}
	monitor.Notify = c.recipientsOf(m, &monitor)
	if len(c.problems) == before {
		probeReader{c}.checkSpec(m, monitor.Spec)
	}
	if len(c.problems) == 0 {
		c.keep(m, monitor)
	}
}

// readAttributes reads group, labels, dependencies and paused.
func (c *collector) readAttributes(m mapping, monitor *job.Monitor) {
	if v, ok := m.get("group"); ok {
		monitor.Group, _ = c.nonEmpty(v, "text")
	}
	monitor.Labels = recipientReader{c.reader}.readLabels(m)
	monitor.DependsOn = c.readDependencies(m, monitor.Name)
	c.setBoolean(m, "paused", &monitor.Paused)
}

// readName reads the name, which must be unique.
func (c *collector) readName(m mapping) string {
	v, ok := c.required(m, "name", aName)
	if !ok {
		return ""
	}
	name, ok := c.readText(v, aName)
	if !ok || !c.checkName(v, name) {
		return ""
	}
	if place := c.place(name); place > 0 {
		c.report(v, v.describe()+" again", "a name of its own, unlike the one in "+c.inputs.describe(place, c.source.name), "")
		return ""
	}
	*c.known.Value(c.known.Put(name, nil)) = uint32(c.source.base + v.line) //nolint:gosec // files have fewer lines
	return name
}

// readSchedule reads interval or cron. It returns the interval, zero for cron.
func (c *collector) readSchedule(m mapping, monitor *job.Monitor) optionalDuration {
	cron, hasCron := m.get("cron")
	zone, hasZone := m.get("time_zone")
	interval := policyReader{c.reader}.intervalSetting(m)
	if hasZone && !hasCron {
		c.report(zone, "a time_zone without cron", "cron next to it", "an interval is the same in all zones")
	}
	switch {
	case hasCron && interval.set:
		c.report(cron, "cron and interval", "one of them", "")
		return optionalDuration{set: true}
	case hasCron:
		c.readCron(cron, zone, hasZone, monitor)
		return optionalDuration{set: true}
	case !interval.set:
		interval = c.defaults.interval
	}
	monitor.Interval = job.Duration(interval.duration)
	return interval
}

// readCron reads an expression and its time zone.
func (c *collector) readCron(v, zoneAt value, hasZone bool, monitor *job.Monitor) {
	const expected = "a cron expression such as '15 3 * * *'"
	expression, ok := c.nonEmpty(v, expected)
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
	if monitor.TimeZone, hasZone = c.nonEmpty(zoneAt, aZone); !hasZone {
		return
	}
	if !ok {
		expression = "@daily" // any will do to try the zone
	}
	if _, err := schedule.Cron(expression, monitor.TimeZone); err != nil {
		c.refused(zoneAt, err, aZone)
	}
}

// refused reports a mistake that the package schedule found in a value. For a value
// from the environment nothing is shown.
func (c *collector) refused(v value, err error, expected string) {
	problem, ok := errors.AsType[schedule.Problem](err)
	if !ok || !v.safe() {
		c.reject(v, expected)
		return
	}
	found := problem.Found
	if problem.Field != "" {
		found += " as the " + problem.Field
	}
	c.report(v, found, problem.Expected, "")
}

// durationSetting reads a duration. It is zero if it is unusable.
func (r policyReader) durationSetting(m mapping, key string) optionalDuration {
	v, set := m.get(key)
	s := optionalDuration{value: v, set: set}
	if set {
		s.duration, _ = r.duration(v)
	}
	return s
}

// intervalSetting reads an interval. Its duration is zero if it is unusable.
func (r policyReader) intervalSetting(m mapping) optionalDuration {
	s := r.durationSetting(m, "interval")
	if s.duration == 0 {
		return s
	}
	if _, err := schedule.Every(s.duration, ""); err != nil {
		r.report(s.value, s.written(), fmt.Sprintf("whole seconds from 1s to %s", formatDuration(schedule.MaxInterval)), "")
		s.duration = 0
	}
	return s
}

// timeoutFits reports a timeout that reaches into the next slot.
func (r policyReader) timeoutFits(timeout, interval optionalDuration) {
	if timeout.duration > 0 && interval.duration > 0 && timeout.duration >= interval.duration {
		r.report(timeout.value, timeout.written(), "less than the interval "+formatDuration(interval.duration), "")
	}
}

// readTimeout returns the timeout for a monitor. Only its own timeout is compared
// with the interval; any other is lowered to fit.
func (c *collector) readTimeout(m mapping, interval optionalDuration) time.Duration {
	timeout := policyReader{c.reader}.durationSetting(m, "timeout")
	switch {
	case timeout.set:
		policyReader{c.reader}.timeoutFits(timeout, interval)
		return timeout.duration
	case interval.duration > 0 && interval.duration <= c.defaults.timeout.duration:
		return interval.duration * 4 / 5
	default:
		return c.defaults.timeout.duration
	}
}

// recipientsOf reads a monitor's recipients: its own, those from the routes, or the
// defaults.
func (c *collector) recipientsOf(m mapping, monitor *job.Monitor) []string {
	names, set := recipientReader{c.reader}.recipientNames(m, "notify")
	routed, fits := routed(c.defaults.routes, monitor)
	switch {
	case set:
		return names
	case fits:
		return routed
	case c.defaults.notifySet:
		return c.defaults.notify
	}
	c.addUnnotified(m, monitor.Name)
	return nil
}
