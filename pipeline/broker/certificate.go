package broker

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// reloadingCertificate is a certificate that is read again when its files have
// changed. It checks them for each connection, so no reload signal is needed.
type reloadingCertificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex // guards the fields below
	pair    *tls.Certificate
	version string // of the files, as read
	// onChange, when set, is called with each new certificate.
	onChange func(*tls.Certificate)
}

// current returns the current certificate. While the two files do not match,
// because only one has been replaced, it returns the previous certificate.
func (r *reloadingCertificate) current() *tls.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version == r.fileVersion() {
		return r.pair
	}
	if err := r.read(); err != nil {
		r.logger.Warn("changed certificate could not be read; using the previous one", "error", err)
	} else if r.onChange != nil {
		r.onChange(r.pair)
	}
	return r.pair
}

func (r *reloadingCertificate) read() error {
	version := r.fileVersion() // before reading, so that a change during it is read next time
	pair, err := tls.LoadX509KeyPair(r.certFile, r.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate of the NATS server: %w", err)
	}
	r.pair, r.version = &pair, version
	return nil
}

// fileVersion returns a text that changes with the files.
func (r *reloadingCertificate) fileVersion() string {
	var version strings.Builder
	for _, file := range []string{r.certFile, r.keyFile} {
		if found, err := os.Stat(file); err == nil {
			fmt.Fprintf(&version, "%d of %s, ", found.Size(), found.ModTime())
		}
	}
	return version.String()
}

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
