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

// certFile is a copy of what the server shows, by which commands on this machine
// know it, whatever its name and its CA.
const certFile = "nats.crt"

// tell writes down which certificate the server shows, or that it shows none.
func (b *Broker) tell(shown *tls.Certificate) error {
	path := filepath.Join(b.dir, certFile)
	if shown == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove old certificate: %w", err)
		}
		return nil
	}
	block := &pem.Block{Type: "CERTIFICATE", Bytes: shown.Certificate[0]}
	if err := writeFile(path, string(pem.EncodeToMemory(block))); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}

// keepTelling does so now, and when the certificate was renewed.
func (b *Broker) keepTelling() error {
	if b.shown == nil {
		return b.tell(nil)
	}
	b.shown.mu.Lock()
	defer b.shown.mu.Unlock()
	b.shown.changed = func(pair *tls.Certificate) {
		if err := b.tell(pair); err != nil {
			b.shown.log.Warn("tell commands of a renewed certificate", "error", err)
		}
	}
	return b.tell(b.shown.pair)
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
