package broker

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// renewed is a certificate that is read again when its files have changed. It is
// looked at when somebody connects, so that nothing has to be told.
type renewed struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex // guards what follows
	pair    *tls.Certificate
	version string // of the files, when they were read
	// changed, when it is set, is told of each other certificate.
	changed func(*tls.Certificate)
}

func newRenewed(certFile, keyFile string, log *slog.Logger) (*renewed, error) {
	r := &renewed{certFile: certFile, keyFile: keyFile, log: log}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r, nil
}

// current is the certificate of now. While the files do not go together, as when
// one of them is written anew, it is the one from before.
func (r *renewed) current() *tls.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version == r.onDisk() {
		return r.pair
	}
	if err := r.read(); err != nil {
		r.log.Warn("a certificate that was changed cannot be read; showing the old one", "error", err)
	} else if r.changed != nil {
		r.changed(r.pair)
	}
	return r.pair
}

func (r *renewed) read() error {
	version := r.onDisk() // before it is read: what is written meanwhile is read next time
	pair, err := tls.LoadX509KeyPair(r.certFile, r.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate of the NATS server: %w", err)
	}
	r.pair, r.version = &pair, version
	return nil
}

// onDisk tells versions of the files apart.
func (r *renewed) onDisk() string {
	var version strings.Builder
	for _, file := range []string{r.certFile, r.keyFile} {
		if found, err := os.Stat(file); err == nil {
			fmt.Fprintf(&version, "%d of %s, ", found.Size(), found.ModTime())
		}
	}
	return version.String()
}
