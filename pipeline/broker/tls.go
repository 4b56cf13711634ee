package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/nats-io/nats-server/v2/server"
)

// TLS names the PEM files that protect connections. A renewed certificate, with
// its key, applies from the next connection on, a changed CA from the next
// start.
type TLS struct {
	// CertFile and KeyFile are the server's certificate and key. Nodes also present
	// the certificate to each other, so in a cluster it must be valid for servers
	// and for clients.
	CertFile, KeyFile string
	// CAFile is the CA for required certificates. In [Config.TLS] nodes must
	// present one, so this CA should sign nothing else; in [Config.ClientTLS]
	// clients must, in addition to their login.
	CAFile string
}

// protectClients configures TLS for clients.
func (b *Broker) protectClients(options *server.Options, config Config) error {
	files, ca := config.TLS, ""
	if config.ClientTLS != nil {
		files, ca = config.ClientTLS, config.ClientTLS.CAFile
	}
	if files == nil {
		return nil
	}
	certificate, protected, err := files.tlsConfig(ca, config.Logger)
	if err != nil {
		return err
	}
	b.certificate = certificate
	options.TLSConfig, options.TLS, options.TLSVerify, options.TLSTimeout = protected, true, ca != "", tlsTimeout
	return nil
}

// protectRoutes configures TLS between nodes, with a certificate on both sides.
func (t *TLS) protectRoutes(options *server.Options, logger *slog.Logger) error {
	if t == nil {
		return nil
	}
	_, config, err := t.tlsConfig(t.CAFile, logger)
	if err != nil {
		return err
	}
	config.RootCAs = config.ClientCAs // a node is also a client of the others
	config.MinVersion = tls.VersionTLS13
	options.Cluster.TLSConfig = config
	return nil
}

// tlsConfig returns the certificate, and a configuration with it that requires
// client certificates if there is a CA.
func (t *TLS) tlsConfig(caFile string, logger *slog.Logger) (*reloadingCertificate, *tls.Config, error) {
	r := &reloadingCertificate{certFile: t.CertFile, keyFile: t.KeyFile, logger: logger}
	if err := r.read(); err != nil {
		return nil, nil, err
	}
	config := &tls.Config{
		MinVersion:           tls.VersionTLS12,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.current(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return r.current(), nil },
	}
	if caFile == "" {
		return r, config, nil
	}
	authorities, err := os.ReadFile(caFile) //nolint:gosec // the operator configures it
	if err != nil {
		return nil, nil, fmt.Errorf("read CA of the NATS server: %w", err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, nil, fmt.Errorf("read CA of the NATS server: %w in %s", errNoCertificate, caFile)
	}
	return r, config, nil
}

var errNoCertificate = errors.New("found no certificate")
