package broker

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// ClientTLS protects the socket for other processes. All files are PEM.
type ClientTLS struct {
	// CertFile and KeyFile are what the server shows.
	CertFile, KeyFile string
	// CAFile, when it is set, has signed the certificates that clients must show
	// besides logging in.
	CAFile string
}

// certFile is a copy of what the server shows, by which commands on this machine
// know it, whatever its name and its CA.
const certFile = "nats.crt"

// protect has clients use TLS.
func (c *ClientTLS) protect(options *server.Options) error {
	if c == nil {
		return nil
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	options.TLSConfig, options.TLS, options.TLSVerify, options.TLSTimeout = config, true, c.CAFile != "", tlsTimeout
	return nil
}

func (c *ClientTLS) config() (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate of the NATS server: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}}
	if c.CAFile == "" {
		return config, nil
	}
	authorities, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA of the NATS server's clients: %w", err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(authorities) {
		return nil, fmt.Errorf("read CA of the NATS server's clients: found no certificate in %s", c.CAFile)
	}
	return config, nil
}

// tell writes down which certificate the server shows, or that it shows none.
func (b *Broker) tell(config *tls.Config) error {
	path := filepath.Join(b.dir, certFile)
	if config == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old certificate: %w", err)
		}
		return nil
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: config.Certificates[0].Certificate[0]}
	if err := writeFile(path, string(pem.EncodeToMemory(block))); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}

// FindCertificate returns the certificate, PEM, that the broker of a data
// directory shows; empty when it speaks clear text.
func FindCertificate(dir string) (string, error) {
	found, err := os.ReadFile(filepath.Join(dir, certFile)) //nolint:gosec // the operator names the data directory
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read certificate: %w", err)
	}
	return string(found), nil
}

// CertificateFile is where that certificate stands; the bool says whether there
// is one.
func CertificateFile(dir string) (string, bool) {
	path, err := filepath.Abs(filepath.Join(dir, certFile))
	if err != nil {
		return "", false
	}
	_, err = os.Stat(path)
	return path, err == nil
}
