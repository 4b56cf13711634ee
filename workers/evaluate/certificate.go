package evaluate

import (
	"time"

	"vedette/pipeline/job"
)

// evaluateCertificate alerts when a certificate expires soon, once for each alert
// in the policy. A renewed certificate counts as another one.
func (s *step) evaluateCertificate() {
	state, expires := &s.State, s.result.ProbeResult.CertificateExpires
	alert, soon := tightestAlert(expires, s.result.Slot, s.m.Policy)
	switch {
	case !soon && (state.Certificate == nil || expires.IsZero()):
	case !soon:
		state.Certificate, s.Write = nil, true
	case state.Certificate == nil || !state.Certificate.Expires.Equal(expires) || alert < state.Certificate.Alerted:
		s.initialize()
		state.Certificate = &job.Certificate{Expires: expires.UTC(), Alerted: alert}
		incident := s.newIncident(job.ConditionCertificate, s.result.Slot)
		incident.ID = job.DeriveID("certificate", s.m.Name, expires.UTC().Format(time.RFC3339), alert.String())
		incident.Recent = nil
		s.addEvent(job.EventBegan, incident, nil)
	}
}

// tightestAlert returns the tightest alert that a certificate has reached, and
// whether it has reached any.
func tightestAlert(expires, now time.Time, policy job.Policy) (job.Duration, bool) {
	if expires.IsZero() {
		return 0, false
	}
	left, tightest, found := expires.Sub(now), job.Duration(0), false
	for _, alert := range alertThresholds(policy) {
		if left <= alert.Std() && (!found || alert < tightest) {
			tightest, found = alert, true
		}
	}
	return tightest, found
}

func alertThresholds(policy job.Policy) []job.Duration {
	if policy.CertificateAlerts == nil {
		return job.CertificateAlerts()
	}
	return policy.CertificateAlerts
}
