package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeTLS makes a TLS handshake. Up means that the certificate chain is valid
// for the name.
func (c *Checker) probeTLS(ctx context.Context, spec job.Spec) (job.ProbeResult, Facts) {
	var t timing
	state, err := c.handshakeOnly(ctx, spec.TLS, &t)
	result := job.ProbeResult{Health: job.Up}
	if err != nil {
		result = failureResult(ctx, err, &t, timeoutOf(spec))
	}
	t.addTo(&result)
	if err != nil {
		return result, nil
	}
	result.CertificateExpires = certificateExpiry(*state)
	facts := Facts{"tls_version": tls.VersionName(state.Version)}
	facts.addCertificate(state, time.Now())
	return result, facts
}

func (c *Checker) handshakeOnly(ctx context.Context, spec *job.TLS, t *timing) (*tls.ConnectionState, error) {
	conn, err := c.dial(ctx, "tcp", spec.Address, spec.Network, t)
	if err != nil {
		return nil, err
	}
	conn = withContext(ctx, conn)
	defer conn.Close()
	host, _, _ := net.SplitHostPort(spec.Address) // valid, since it was dialled
	secured, err := c.handshake(ctx, conn, host, &spec.TLSOptions, handshakeOffer{}, t)
	if err != nil {
		return nil, err
	}
	state := secured.ConnectionState()
	return &state, nil
}

func tlsFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"certificate": certificateType(), "tls_version": cel.StringType}
}

func validateTLS(spec job.Spec, p *problems) {
	p.check("address", checkAddress(spec.TLS.Address))
	validateNetwork(spec.TLS.Network, p)
	validateTLSOptions(&spec.TLS.TLSOptions, p)
}

// handshakeOffer contains the options offered to a server.
type handshakeOffer struct {
	protocols []string // ALPN, RFC 7301
	// classical omits the post-quantum key exchanges, which cost a third of a
	// handshake. The caller tries again with them if the server requires them.
	classical bool
}

// handshake starts TLS on a connection to a host.
func (c *Checker) handshake(ctx context.Context, conn net.Conn, host string, o *job.TLSOptions, offered handshakeOffer, t *timing) (*tls.Conn, error) {
	config, err := c.tlsConfig(host, o)
	if err != nil {
		return nil, err
	}
	config.NextProtos = offered.protocols
	if offered.classical {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	t.enter(inTLS)
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	t.done()
	return secured, nil
}

// tlsConfig returns the configuration for a handshake with a host.
func (c *Checker) tlsConfig(host string, o *job.TLSOptions) (*tls.Config, error) {
	config := &tls.Config{RootCAs: c.config.RootCAs, MinVersion: tls.VersionTLS12, ServerName: host}
	if o == nil {
		return config, nil
	}
	config.InsecureSkipVerify = o.InsecureSkipVerify
	if o.ServerName != "" {
		config.ServerName = o.ServerName
	}
	if version, ok := tlsVersions()[o.MinVersion]; ok {
		config.MinVersion = version
	}
	if o.CAFile != "" {
		workers, err := readCertPool(o.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = workers
	}
	if o.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, newLocalError("read client certificate", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

func tlsVersions() map[string]uint16 {
	return map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
}

func readCertPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path) //nolint:gosec // the spec names the file
	if err != nil {
		return nil, newLocalError("read ca_file", err)
	}
	workers := x509.NewCertPool()
	if !workers.AppendCertsFromPEM(pem) {
		return nil, newLocalError("read ca_file", fmt.Errorf("found no certificate in %s, expected PEM certificates", path))
	}
	return workers, nil
}

// localError is an error on this side, without relation to the target.
type localError struct{ err error }

// Error returns the cause's text.
func (e *localError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *localError) Unwrap() error { return e.err }

func newLocalError(doing string, err error) error {
	return &localError{fmt.Errorf("%s: %w", doing, err)}
}

// certificateExpiry returns the earliest expiry in the verified chain, and with
// several chains the latest of these, since one valid chain suffices. For an
// unverified chain it is the first certificate's.
func certificateExpiry(state tls.ConnectionState) time.Time {
	var last time.Time
	for _, chain := range state.VerifiedChains {
		earliest := chain[0].NotAfter
		for _, certificate := range chain {
			if certificate.NotAfter.Before(earliest) {
				earliest = certificate.NotAfter
			}
		}
		if earliest.After(last) {
			last = earliest
		}
	}
	if last.IsZero() && len(state.PeerCertificates) > 0 {
		last = state.PeerCertificates[0].NotAfter
	}
	return last.UTC()
}

// addCertificate adds the facts about a server's certificate.
func (f Facts) addCertificate(state *tls.ConnectionState, now time.Time) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	certificate, end := state.PeerCertificates[0], certificateExpiry(*state)
	f["certificate"] = map[string]any{
		"subject": certificate.Subject.String(), "issuer": certificate.Issuer.String(), "sans": certificateNames(certificate),
		"not_after": end, "expires_in": end.Sub(now),
	}
}

var errOneOfTwo = job.Problem{Found: "only one of cert_file and key_file", Expected: "both or none"}

// validateNestedTLS validates TLS options that are a parameter of a probe.
func validateNestedTLS(o *job.TLSOptions, p *problems) {
	if o == nil {
		return
	}
	inner := problems{path: p.path + ".tls"}
	validateTLSOptions(o, &inner)
	p.found = append(p.found, inner.found...)
}

func validateTLSOptions(o *job.TLSOptions, p *problems) {
	if _, ok := tlsVersions()[o.MinVersion]; !ok && o.MinVersion != "" {
		p.add("min_version", fmt.Sprintf("min_version %q", o.MinVersion), "1.0, 1.1, 1.2 or 1.3")
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		p.check("cert_file", errOneOfTwo)
	}
}
