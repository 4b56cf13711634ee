package check

import (
	"crypto/x509"
	"strings"
	"time"
)

// facts are what expectations of an http check speak of; what there is not, is
// not in them.
func (e *exchange) facts(now time.Time) Facts {
	headers := make(map[string]string, len(e.headers))
	for name, values := range e.headers {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	facts := Facts{
		"status": e.status, "headers": headers, "body": strings.ToValidUTF8(string(e.body), "\uFFFD"), "http_version": e.version,
	}
	if e.tls != nil && len(e.tls.PeerCertificates) > 0 {
		facts["certificate"] = certificateFacts(e.tls.PeerCertificates[0], now)
	}
	return facts
}

func certificateFacts(cert *x509.Certificate, now time.Time) map[string]any {
	return map[string]any{
		"subject": cert.Subject.String(), "issuer": cert.Issuer.String(), "sans": names(cert),
		"not_after": cert.NotAfter, "expires_in": cert.NotAfter.Sub(now),
	}
}
