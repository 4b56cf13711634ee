package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

// certificateFiles are a certificate for loopback that is its own CA, and its key.
func certificateFiles(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vedette"}, NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: made}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

const nothingWatched = "monitors: []\n"

func TestInstanceBehindTLSIsFoundByCommandsOnItsMachine(t *testing.T) {
	t.Parallel()
	r := newInstance(t, nothingWatched)
	cert, key := certificateFiles(t, r.dir)
	r.start("--nats-tls-cert", cert, "--nats-tls-key", key)
	r.ready()
	if output, code := r.vedette("status"); code != cli.ExitOK {
		t.Errorf("got code %d and %q by the data directory, want 0", code, output)
	}
	output, _ := r.vedette("env")
	url, authority, _ := strings.Cut(strings.TrimSpace(output), "\n")
	url, authority = strings.TrimPrefix(url, "export NATS_URL="), strings.TrimPrefix(authority, "export NATS_CA=")
	if !strings.HasPrefix(url, "tls://") {
		t.Errorf("got %q, want a URL with TLS", output)
	}
	if output, code := r.vedette("status", "--nats", url, "--nats-ca", authority); code != cli.ExitOK {
		t.Errorf("got code %d and %q by the URL and the CA, want 0", code, output)
	}
	if output, code := r.vedette("status", "--nats", url); code == cli.ExitOK || !strings.Contains(output, "unknown authority") {
		t.Errorf("got code %d and %q without the CA, want it refused", code, output)
	}
	r.stop()
	r.output = &lockedBuffer{}
	r.start() // in clear text again
	r.ready()
	if output, code := r.vedette("status"); code != cli.ExitOK {
		t.Errorf("got code %d and %q without TLS, want 0", code, output)
	}
	r.stop()
}

func TestClientsOfAnInstanceMayHaveToShowACertificate(t *testing.T) {
	t.Parallel()
	r := newInstance(t, nothingWatched)
	cert, key := certificateFiles(t, r.dir)
	r.start("--nats-tls-cert", cert, "--nats-tls-key", key, "--nats-tls-ca", cert)
	r.ready()
	if output, code := r.vedette("status", "--nats-cert", cert, "--nats-key", key); code != cli.ExitOK {
		t.Errorf("got code %d and %q with a certificate, want 0", code, output)
	}
	if output, code := r.vedette("status"); code == cli.ExitOK {
		t.Errorf("got %q without a certificate, want it refused", output)
	}
	r.stop()
}

func TestServerThatOthersReachNeedsTLS(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "monitors.yaml")
	if err := os.WriteFile(file, []byte(nothingWatched), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--nats-listen", "0.0.0.0:0"}, []string{"listen on 0.0.0.0:0: other machines can reach it, expected TLS", "use them with --nats-tls-cert"}},
		{[]string{"--nats-listen", ":0"}, []string{"expected TLS"}},
		{[]string{"--nats-listen", "example.org:4222"}, []string{"expected TLS"}},
		{[]string{"--nats-listen", "[::]:0"}, []string{"expected TLS"}},
		{[]string{"--nats-tls-cert", "a"}, []string{"found one of them, expected both"}},
		{[]string{"--nats-tls-ca", "a"}, []string{"found no --nats-tls-cert"}},
		{[]string{"--nats", "nats://127.0.0.1:1", "--nats-tls-cert", "a", "--nats-tls-key", "b"}, []string{"found --nats too"}},
		{[]string{"--nats", "nats://127.0.0.1:1", "--nats-creds", "/none"}, []string{"check login: open /none: no such file"}},
	} {
		args := append([]string{"run", "--data", t.TempDir(), "--http", "127.0.0.1:0"}, append(c.args, file)...)
		_, stderr, code := vedette(t, args...)
		for _, want := range c.says {
			if code == cli.ExitOK || !strings.Contains(stderr, want) {
				t.Errorf("%v: got code %d and %q, want %q", c.args, code, stderr, want)
			}
		}
	}
}

func TestInsecureSaysSoAtEachStart(t *testing.T) {
	t.Parallel()
	r := newInstance(t, nothingWatched)
	for range 2 {
		r.output = &lockedBuffer{}
		r.start("--nats-listen", "0.0.0.0:0", "--insecure")
		r.ready()
		if output, code := r.vedette("status"); code != cli.ExitOK {
			t.Errorf("got code %d and %q, want 0", code, output)
		}
		r.stop()
		if !strings.Contains(r.output.String(), "WARNING: --insecure: NATS listens on 0.0.0.0:0 in clear text") {
			t.Errorf("got %q, want a warning", r.output)
		}
	}
}
