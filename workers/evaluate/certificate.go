package evaluate

import (
	"time"

	"vedette/pipeline/job"
)

// certificate tells of a certificate that ends soon, once for each alert of
// the policy. One that was renewed is another one.
func (s *step) certificate() {
	state, expires := &s.State, s.result.ProbeResult.CertificateExpires
	alert, soon := alertOf(expires, s.result.Slot, s.m.Policy)
	switch {
	case !soon && (state.Certificate == nil || expires.IsZero()):
	case !soon:
		state.Certificate, s.Write = nil, true
	case state.Certificate == nil || !state.Certificate.Expires.Equal(expires) || alert < state.Certificate.Alerted:
		s.begin()
		state.Certificate = &job.Certificate{Expires: expires.UTC(), Alerted: alert}
		incident := s.incident(job.ConditionCertificate, s.result.Slot)
		incident.ID = job.DeriveID("certificate", s.m.Name, expires.UTC().Format(time.RFC3339), alert.String())
		incident.Recent = nil
		s.record(job.EventBegan, incident, nil)
	}
}

// alertOf returns the tightest alert that a certificate has come to, and
// whether there is one.
func alertOf(expires, now time.Time, policy job.Policy) (job.Duration, bool) {
	if expires.IsZero() {
		return 0, false
	}
	left, tightest, found := expires.Sub(now), job.Duration(0), false
	for _, alert := range alertsOf(policy) {
		if left <= alert.Std() && (!found || alert < tightest) {
			tightest, found = alert, true
		}
	}
	return tightest, found
}

func alertsOf(policy job.Policy) []job.Duration {
	if policy.CertificateAlerts == nil {
		return job.CertificateAlerts()
	}
	return policy.CertificateAlerts
}
