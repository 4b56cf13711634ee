package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
)

// benchTargets is where the targets of a benchmark are.
type benchTargets struct {
	HTTP         string `json:"http"` // URLs
	HTTPS        string `json:"https"`
	HTTPAddress  string `json:"http_address"`
	HTTPSAddress string `json:"https_address"`
	CA           string `json:"ca"` // PEM
}

func benchTargetsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "targets", Short: "The targets of a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := cli.StdinContext(cmd.Context())
			defer cancel()
			certificate, ca, err := selfSigned(time.Now())
			if err != nil {
				return err
			}
			targets := benchTargets{CA: string(ca)}
			var listen net.ListenConfig
			plain, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("listen for targets: %w", err)
			}
			secure, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("listen for targets: %w", err)
			}
			targets.HTTPAddress, targets.HTTPSAddress = plain.Addr().String(), secure.Addr().String()
			targets.HTTP, targets.HTTPS = "http://"+targets.HTTPAddress+"/", "https://"+targets.HTTPSAddress+"/"
			server := &http.Server{
				ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }),
				TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
				ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // peers hang up on it all the time
			}
			go func() { _ = server.Serve(plain) }()
			go func() { _ = server.ServeTLS(secure, "", "") }()
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(targets); err != nil {
				return fmt.Errorf("tell where the targets are: %w", err)
			}
			<-ctx.Done()
			return server.Close()
		},
	}
}

// selfSigned makes a certificate for loopback that is its own authority.
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
