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

// TLS names the files that protect connections, all in PEM. A certificate that is
// renewed, with its key, counts from the next connection on; a CA from the next
// start.
type TLS struct {
	// CertFile and KeyFile are what the server shows; to other nodes too, so that
	// in a cluster the certificate must be good for servers and for clients.
	CertFile, KeyFile string
	// CAFile has signed the certificates that others must show: in [Config.TLS]
	// nodes, so it should sign nothing else, and in [Config.Clients] clients,
	// besides logging in.
	CAFile string
}

// protectClients has clients use TLS.
func (b *Broker) protectClients(options *server.Options, config Config) error {
	files, ca := config.TLS, ""
	if config.Clients != nil {
		files, ca = config.Clients, config.Clients.CAFile
	}
	if files == nil {
		return nil
	}
	shown, err := newRenewed(files.CertFile, files.KeyFile, config.Logger)
	if err != nil {
		return err
	}
	protected, err := shown.config(ca)
	if err != nil {
		return err
	}
	b.shown = shown
	options.TLSConfig, options.TLS, options.TLSVerify, options.TLSTimeout = protected, true, ca != "", tlsTimeout
	return nil
}

// protectRoutes has nodes use TLS, each side with a certificate of the CA.
func (t *TLS) protectRoutes(options *server.Options, log *slog.Logger) error {
	if t == nil {
		return nil
	}
	shown, err := newRenewed(t.CertFile, t.KeyFile, log)
	if err != nil {
		return err
	}
	config, err := shown.config(t.CAFile)
	if err != nil {
		return err
	}
	config.RootCAs = config.ClientCAs // a node is a client of the others too
	config.MinVersion = tls.VersionTLS13
	options.Cluster.TLSConfig = config
	return nil
}

// config shows the certificate, and asks for one of a CA if there is one.
func (r *renewed) config(caFile string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:           tls.VersionTLS12,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return r.current(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return r.current(), nil },
	}
	if caFile == "" {
		return config, nil
	}
	authorities, err := os.ReadFile(caFile) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("read CA of the NATS server: %w", err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("read CA of the NATS server: %w in %s", errNoCertificate, caFile)
	}
	return config, nil
}

var errNoCertificate = errors.New("found no certificate")
