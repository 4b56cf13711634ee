package monitor

import (
	"time"

	"vedette/pipeline/job"
)

// Defaults of a monitor's judgement when neither it nor the section defaults
// says more.
const (
	// DefaultRetryInterval is when a check is made again that leaves the
	// thresholds open; for shorter intervals the slot is soon enough.
	DefaultRetryInterval = 10 * time.Second
	maxWindow            = 100
)

// policy is how a monitor is judged, as far as the file says it.
type policy struct {
	window       int
	retry        time.Duration
	retrySet     bool
	flapping     *job.Flapping
	certificates []job.Duration
}

// policyKeys are the fields that both a monitor and the section defaults have.
func policyKeys() []string {
	return []string{"failure_threshold", "failure_window", "success_threshold", "retry_interval", "flapping", "certificate_alerts", "locations", "quorum", "notify"}
}

// policy reads how a monitor is judged, with what it does not say from
// otherwise.
func (r *reader) policy(m mapping, otherwise policy) policy {
	p := otherwise
	if v, ok := m.get("failure_window"); ok {
		p.window, _ = r.integer(v, 1, maxWindow)
	}
	if v, ok := m.get("retry_interval"); ok {
		p.retry = r.durationOrZero(v)
		p.retrySet = true
	}
	if v, ok := m.get("flapping"); ok {
		p.flapping = r.flapping(v)
	}
	if v, ok := m.get("certificate_alerts"); ok {
		p.certificates = r.certificateAlerts(v)
	}
	return p
}

// apply gives a monitor its policy.
func (p policy) apply(m *job.Monitor) {
	m.FailureWindow, m.Flapping, m.CertificateAlerts = p.window, p.flapping, p.certificates
	retry := p.retry
	if !p.retrySet {
		retry = DefaultRetryInterval
	}
	// A retry that would not come before the next slot is none. A heartbeat is
	// not known better by looking again.
	if m.Heartbeat == nil && (m.Interval == 0 || retry < m.Interval.Std()) {
		m.RetryInterval = job.Duration(retry)
	}
}

// flapping reads when a monitor is flapping: percentages, or false for never.
func (r *reader) flapping(v value) *job.Flapping {
	const expected = "false, or a mapping such as {enter: 30, leave: 20}"
	if !v.isMapping() {
		if v.null() || !v.node.isScalar() || v.node.text != "false" {
			r.wrong(v, expected)
		}
		return &job.Flapping{}
	}
	limits := job.DefaultFlapping()
	m, ok := r.mapping(v, expected, "enter", "leave")
	if !ok {
		return &limits
	}
	for _, field := range []struct {
		key  string
		into *int
	}{{"enter", &limits.Enter}, {"leave", &limits.Leave}} {
		if v, ok := m.get(field.key); ok {
			*field.into, _ = r.integer(v, 1, 100)
		}
	}
	if limits.Leave >= limits.Enter {
		leave, _ := m.get("leave")
		r.report(leave, "leave that is not below enter", "a percentage below that of enter", "")
	}
	return &limits
}

// certificateAlerts reads how long before its end a certificate is told of.
func (r *reader) certificateAlerts(v value) []job.Duration {
	alerts := []job.Duration{}
	items, ok := r.list(v, "a list of durations such as [21d, 7d, 1d]", true)
	if !ok {
		return alerts
	}
	for _, item := range items {
		if d, ok := r.duration(item); ok {
			alerts = append(alerts, job.Duration(d))
		}
	}
	return alerts
}
