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

// Login authenticates the server and this program. Its zero value trusts the
// system's CAs, uses TLS if the server requires it, and takes credentials from
// the URL. Files are read at each connection, so they can be replaced.
type Login struct {
	// CAFile has the trusted certificates, PEM, instead of the system's, and makes
	// TLS mandatory.
	CAFile string
	// Pinned is the only certificate, PEM, that is trusted. It is for a server whose
	// data directory can be read.
	Pinned string
	// CertFile and KeyFile are a client certificate and its key, PEM.
	CertFile, KeyFile string
	// CredsFile has a user's JWT and its seed, as nsc writes them.
	CredsFile string
	// SeedFile has the seed for a user's nkey.
	SeedFile string
	// TokenFile has a token. Token is one without a file.
	TokenFile, Token string
	// User and Password, or the content of PasswordFile, are for URLs without them.
	User, Password, PasswordFile string
}

// Validate finds contradictions, and files that cannot be read.
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

// options are for the connection.
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
	credentials, err := l.credentials()
	if credentials != nil {
		options = append(options, credentials)
	}
	return options, err
}

// credentials is the option for the login; nil for credentials in the URL.
func (l Login) credentials() (nats.Option, error) {
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
		return nats.TokenHandler(func() string { return secret(l.TokenFile, l.Token) }), nil
	case l.User != "":
		return nats.UserInfoHandler(func() (string, string) { return l.User, secret(l.PasswordFile, l.Password) }), nil
	default:
		return nil, nil //nolint:nilnil // the URL has them
	}
}

// secret is the content of a file without the newline at its end, or the given
// secret without a file. A missing file is empty, which the server rejects.
func secret(path, otherwise string) string {
	if path == "" {
		return otherwise
	}
	body, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(body))
}

var errPinned = errors.New("found another certificate than the pinned one")

// pinned trusts only one certificate, with any name and CA.
func pinned(text string) (*tls.Config, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("read pinned certificate: found no PEM")
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection requires this certificate
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: errPinned}
			}
			return nil
		},
	}, nil
}
