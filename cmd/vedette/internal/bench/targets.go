package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/harness"
)

// targetAddresses is how many addresses the targets have. A client has about
// 28,000 ports for each, and a port is blocked after its connection for a
// minute.
const targetAddresses = 64

// targets describes the targets in a child process.
type targets struct {
	URLs  []string `json:"urls"`
	HTTPS string   `json:"https"` // address
	CA    string   `json:"ca"`    // PEM
}

// targetsCommand serves many addresses by hand, so that the processors are free
// for the installation. It prints the targets, and for each line on standard
// input the CPU time so far.
func targetsCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "targets", Short: "Serve the targets of a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list targets
			for i := range targetAddresses {
				listener, err := listen(cmd.Context(), i)
				if err != nil {
					return err
				}
				go harness.Accept(listener, t.answer)
				list.URLs = append(list.URLs, "http://"+listener.Addr().String()+"/")
			}
			certificate, ca, err := selfSigned(time.Now())
			if err != nil {
				return err
			}
			secure, err := listen(cmd.Context(), 0)
			if err != nil {
				return err
			}
			go harness.Accept(tls.NewListener(secure, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), t.answer)
			list.HTTPS, list.CA = secure.Addr().String(), string(ca)
			out := json.NewEncoder(cmd.OutOrStdout())
			if err := out.Encode(list); err != nil {
				return fmt.Errorf("print targets: %w", err)
			}
			for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
				if err := out.Encode(cpuTime()); err != nil {
					return fmt.Errorf("print cost: %w", err)
				}
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&t.delay, "delay", 0, "delay of each answer")
	return cmd
}

// listen uses several loopback addresses, on systems that have more than one.
func listen(ctx context.Context, i int) (net.Listener, error) {
	var config net.ListenConfig
	if listener, err := config.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.%d:0", i+1)); err == nil {
		return listener, nil
	}
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	return listener, nil
}

// target is a web server.
type target struct{ delay time.Duration }

const (
	// requestTimeout bounds the wait for a request.
	requestTimeout = 10 * time.Second
	// silentPath begins the path for a request without an answer.
	silentPath = "silent/"
	// promptPath begins the path for a request that is answered without delay.
	promptPath = "prompt/"
)

// answer reads one request and answers it after the delay. On a silent path it
// waits until the client closes the connection.
func (t target) answer(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(requestTimeout)) // it fails when the client has gone, and so do the reads
	var request [4096]byte
	for n := 0; n < len(request); {
		read, err := conn.Read(request[n:])
		if n += read; bytes.HasSuffix(request[:n], []byte("\r\n\r\n")) {
			if bytes.HasPrefix(request[:n], []byte("GET /"+silentPath)) {
				_ = conn.SetDeadline(time.Time{})
				_, _ = conn.Read(request[:])
				return
			}
			if t.delay > 0 && !bytes.HasPrefix(request[:n], []byte("GET /"+promptPath)) {
				<-time.After(t.delay)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
			return
		}
		if err != nil {
			return
		}
	}
}

// selfSigned makes a self-signed certificate for loopback.
func selfSigned(now time.Time) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
