package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/google/cel-go/cel"

	"vedette/pipeline/job"
)

// probeTLS makes a TLS handshake. Up means that the certificate chain is valid
// for the name.
func probeTLS(ctx context.Context, a *attempt) (Facts, error) {
	spec := a.spec.TLS
	conn, err := a.dial(ctx, "tcp", spec.Address, spec.Network)
	if err != nil {
		return nil, err
	}
	conn = withContext(ctx, conn)
	defer conn.Close()
	secured, err := a.handshake(ctx, conn, tlsOffer{address: spec.Address, options: &spec.TLSOptions})
	if err != nil {
		return nil, err
	}
	state := secured.ConnectionState()
	a.tls = &state
	return Facts{"tls_version": tls.VersionName(state.Version)}, nil
}

func tlsFacts() map[string]*cel.Type {
	return map[string]*cel.Type{"certificate": certificateType(), "tls_version": cel.StringType}
}

func validateTLS(spec job.Spec, p *problems) {
	p.check("address", checkAddress(spec.TLS.Address))
	validateNetwork(spec.TLS.Network, p)
	validateTLSOptions(&spec.TLS.TLSOptions, p)
}

// tlsOffer says what a handshake offers, and to whom.
type tlsOffer struct {
	address   string // the dialled host:port
	options   *job.TLSOptions
	protocols []string // ALPN, RFC 7301
	// classical omits the post-quantum key exchanges, which cost a third of a
	// handshake. The caller tries again with them if the server requires them.
	classical bool
}

// handshake starts TLS on a connection.
func (a *attempt) handshake(ctx context.Context, conn net.Conn, offer tlsOffer) (*tls.Conn, error) {
	host, _, _ := net.SplitHostPort(offer.address) // valid, since it was dialled
	config, err := a.c.tlsConfig(host, offer.options)
	if err != nil {
		return nil, err
	}
	config.NextProtos = offer.protocols
	if offer.classical {
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	a.enter(inTLS)
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	a.done()
	return secured, nil
}

// tlsConfig returns the configuration for a handshake with a host.
func (c *Checker) tlsConfig(host string, o *job.TLSOptions) (*tls.Config, error) {
	config := &tls.Config{RootCAs: c.config.RootCAs, MinVersion: tls.VersionTLS12, ServerName: host}
	if o == nil {
		return config, nil
	}
	config.InsecureSkipVerify = o.InsecureSkipVerify
	config.ServerName = cmp.Or(o.ServerName, host)
	config.MinVersion = cmp.Or(tlsVersions()[o.MinVersion], config.MinVersion)
	if o.CAFile != "" {
		roots, err := readCertPool(o.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
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
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, newLocalError("read ca_file", fmt.Errorf("found no certificate in %s, expected PEM certificates", path))
	}
	return roots, nil
}

// certificateExpiry returns the earliest expiry in the verified chain, and with
// several chains the latest of these, since one valid chain suffices. For an
// unverified chain it is the first certificate's.
func certificateExpiry(state tls.ConnectionState) time.Time {
	var last time.Time
	for _, chain := range state.VerifiedChains {
		first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		if first.NotAfter.After(last) {
			last = first.NotAfter
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
	_, known := tlsVersions()[o.MinVersion]
	p.require(known || o.MinVersion == "", "min_version", o.MinVersion, "1.0, 1.1, 1.2 or 1.3")
	if (o.CertFile == "") != (o.KeyFile == "") {
		p.add("cert_file", "only one of cert_file and key_file", "both or none")
	}
}
