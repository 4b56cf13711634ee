package monitor

import "time"

// setting is a duration that may have been left out.
type setting struct {
	value
	d   time.Duration
	set bool
}

// defaults are what monitors take when they do not say. Before the section is
// read they are the package's.
type defaults struct {
	interval, timeout setting
	failures, success int
	policy            policy
	places            places
	routes            []route
	notify            []string
	notifySet         bool
}

func (r *reader) readDefaults(root mapping) defaults {
	d := defaults{
		interval: setting{d: DefaultInterval}, timeout: setting{d: DefaultTimeout},
		failures: DefaultFailureThreshold, success: DefaultSuccessThreshold,
	}
	v, ok := section(root, "defaults")
	if !ok {
		return d
	}
	m, ok := r.mapping(v, "fields such as interval", append([]string{"interval", "timeout"}, policyKeys()...)...)
	if !ok {
		d.notifySet = true // whatever was meant, somebody was
		return d
	}
	if own := r.interval(m); own.d > 0 {
		d.interval = own
	}
	if own := r.timeout(m); own.d > 0 {
		d.timeout = own
	}
	if d.interval.set && d.timeout.set {
		r.timeoutFits(d.timeout, d.interval)
	}
	d.failures = r.threshold(m, "failure_threshold", d.failures)
	d.success = r.threshold(m, "success_threshold", d.success)
	d.policy = r.policy(m, d.policy)
	d.places = r.places(m, d.places)
	d.notify, d.notifySet = r.notify(m)
	return d
}

// maxThreshold bounds how many results in a row are waited for.
const maxThreshold = 100

func (r *reader) threshold(m mapping, key string, otherwise int) int {
	v, ok := m.get(key)
	if !ok {
		return otherwise
	}
	if number, ok := r.integer(v, 1, maxThreshold); ok {
		return number
	}
	return otherwise
}
