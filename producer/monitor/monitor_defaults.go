package monitor

import "time"

// optionalDuration is a duration that may be left out.
type optionalDuration struct {
	value
	duration time.Duration
	set      bool
}

// defaults are the values for keys that monitors leave out.
type defaults struct {
	interval, timeout optionalDuration
	failures, success int
	policy            policy
	locations         locationPolicy
	routes            []route
	notify            []string
	notifySet         bool
}

// policyReader reads what the section defaults and each monitor share.
type policyReader struct{ *reader }

func (r policyReader) readDefaults(root mapping) defaults {
	d := defaults{
		interval: optionalDuration{duration: DefaultInterval}, timeout: optionalDuration{duration: DefaultTimeout},
		failures: DefaultFailureThreshold, success: DefaultSuccessThreshold,
	}
	v, ok := section(root, "defaults")
	if !ok {
		return d
	}
	m, ok := r.mapping(v, "fields such as interval", r.keys["defaults"]...)
	if !ok {
		d.notifySet = true // recipients were probably set
		return d
	}
	if own := r.intervalSetting(m); own.duration > 0 {
		d.interval = own
	}
	if own := r.durationSetting(m, "timeout"); own.duration > 0 {
		d.timeout = own
	}
	if d.interval.set && d.timeout.set {
		r.timeoutFits(d.timeout, d.interval)
	}
	r.setInteger(m, "failure_threshold", maxThreshold, &d.failures)
	r.setInteger(m, "success_threshold", maxThreshold, &d.success)
	d.policy = r.readPolicy(m, d.policy)
	d.locations = r.readLocations(m, d.locations)
	d.notify, d.notifySet = recipientReader{r.reader}.readNotify(m)
	return d
}

// maxThreshold limits how many results in a row a threshold may need.
const maxThreshold = 100
