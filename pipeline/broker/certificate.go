package broker

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
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
