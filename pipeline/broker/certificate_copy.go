package broker

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// certFile is a copy of the server's certificate. Commands on this machine
// verify the server with it, whatever its name and CA.
const certFile = "nats.crt"

// writeCertificate updates the copy; nil removes it.
func (b *Broker) writeCertificate(pair *tls.Certificate) error {
	path := filepath.Join(b.dir, certFile)
	if pair == nil {
		return removeFile(path)
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}
	if err := writeFile(path, string(pem.EncodeToMemory(block))); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}

// publishCertificate writes the copy now and after each renewal.
func (b *Broker) publishCertificate() error {
	if b.certificate == nil {
		return b.writeCertificate(nil)
	}
	b.certificate.mu.Lock()
	defer b.certificate.mu.Unlock()
	b.certificate.onChange = func(pair *tls.Certificate) {
		if err := b.writeCertificate(pair); err != nil {
			b.certificate.logger.Warn("renewed certificate could not be copied for local commands", "error", err)
		}
	}
	return b.writeCertificate(b.certificate.pair)
}

// FindCertificate returns the PEM certificate for the broker in a data
// directory; it is empty when the broker uses clear text.
func FindCertificate(dir string) (string, error) {
	found, err := os.ReadFile(filepath.Join(dir, certFile)) //nolint:gosec // the operator names the data directory
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read certificate: %w", err)
	}
	return string(found), nil
}

// CertificateFile returns the path of that certificate, and whether the file
// exists.
func CertificateFile(dir string) (string, bool) {
	path, err := filepath.Abs(filepath.Join(dir, certFile))
	if err != nil {
		return "", false
	}
	_, err = os.Stat(path)
	return path, err == nil
}
