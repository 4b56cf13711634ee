package pipeline

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// Login says how the server is known, and how it knows this program. Its zero
// value trusts the system's CAs, uses TLS where the server wants it, and logs in
// with what stands in the URL. Files are read at each connection, so they can be
// exchanged.
type Login struct {
	// CAFile holds the certificates, PEM, that are trusted instead of the
	// system's, and makes TLS a must.
	CAFile string
	// Pinned is a certificate, PEM, that the server must show itself; no other
	// and no CA is trusted then. It is for a server whose data directory can be
	// read.
	Pinned string
	// CertFile and KeyFile are a client certificate and its key, PEM.
	CertFile, KeyFile string
	// CredsFile holds a user's JWT and its seed, as nsc writes them.
	CredsFile string
	// SeedFile holds the seed of a user's nkey.
	SeedFile string
	// TokenFile holds a token. Token is one from elsewhere.
	TokenFile, Token string
	// User and Password, or what PasswordFile holds, are for URLs without them.
	User, Password, PasswordFile string
}

// Validate finds what cannot be, and files that cannot be read, before anything
// is tried.
func (l Login) Validate() error {
	ways := 0
	for _, set := range []bool{l.CredsFile != "", l.SeedFile != "", l.TokenFile != "" || l.Token != "", l.User != ""} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("check login: found several of credentials, seed, token and user, expected one")
	case (l.CertFile == "") != (l.KeyFile == ""):
		return errors.New("check login: found a certificate or a key, expected both")
	case l.User == "" && (l.Password != "" || l.PasswordFile != ""):
		return errors.New("check login: found a password without a user, expected both")
	case l.CAFile != "" && l.Pinned != "":
		return errors.New("check login: found a CA and a pinned certificate, expected one of them")
	}
	for _, file := range []string{l.CAFile, l.CertFile, l.KeyFile, l.CredsFile, l.SeedFile, l.TokenFile, l.PasswordFile} {
		if file == "" {
			continue
		}
		if err := readable(file); err != nil {
			return fmt.Errorf("check login: %w", err)
		}
	}
	return nil
}

func readable(path string) error {
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	return file.Close()
}

// options are those of the connection.
func (l Login) options() ([]nats.Option, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	var options []nats.Option
	if l.CAFile != "" {
		options = append(options, nats.RootCAs(l.CAFile))
	}
	if l.Pinned != "" {
		config, err := pinned(l.Pinned)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(config))
	}
	if l.CertFile != "" {
		options = append(options, nats.ClientCert(l.CertFile, l.KeyFile))
	}
	way, err := l.way()
	if way != nil {
		options = append(options, way)
	}
	return options, err
}

// way is how the program logs in; nil for what stands in the URL.
func (l Login) way() (nats.Option, error) {
	switch {
	case l.CredsFile != "":
		return nats.UserCredentials(l.CredsFile), nil
	case l.SeedFile != "":
		option, err := nats.NkeyOptionFromSeed(l.SeedFile)
		if err != nil {
			return nil, fmt.Errorf("read seed %s: %w", l.SeedFile, err)
		}
		return option, nil
	case l.TokenFile != "" || l.Token != "":
		return nats.TokenHandler(func() string { return wordOr(l.TokenFile, l.Token) }), nil
	case l.User != "":
		return nats.UserInfoHandler(func() (string, string) { return l.User, wordOr(l.PasswordFile, l.Password) }), nil
	default:
		return nil, nil //nolint:nilnil // the URL says it all
	}
}

// wordOr is what a file holds, without the newline at its end. A file that is
// gone holds nothing, which the server refuses.
func wordOr(path, otherwise string) string {
	if path == "" {
		return otherwise
	}
	body, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(body))
}

var errPinned = errors.New("found another certificate than the one that was pinned")

// pinned trusts one certificate and no other, whatever its names and its CA.
func pinned(text string) (*tls.Config, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("read pinned certificate: found no PEM")
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection asks for more than a name and a CA: this very certificate
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: errPinned}
			}
			return nil
		},
	}, nil
}
