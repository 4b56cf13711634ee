package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// keyLife is how long certificates are valid.
const keyLife = 10 * 365 * 24 * time.Hour

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // reading random bytes never fails
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(keyLife), // tolerates slow clocks
	}
}

// nodeCertificate is for a node, which is also a client for other nodes.
func nodeCertificate(name string) *x509.Certificate {
	c := certificate(name)
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	c.DNSNames, c.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = append(c.IPAddresses, ip)
	} else {
		c.DNSNames = append(c.DNSNames, name)
	}
	return c
}

// authority signs certificates for nodes.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func (w *keyWriter) authority() (*authority, error) {
	certificate, err := readPEM(w.filename("ca.pem"), x509.ParseCertificate)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(w.filename("ca.key"), x509.ParseECPrivateKey)
	return &authority{certificate: certificate, key: key}, err
}

func readPEM[T any](path string, parse func([]byte) (T, error)) (T, error) {
	var none T
	content, err := os.ReadFile(path) //nolint:gosec // the user names the directory
	if err != nil {
		return none, fmt.Errorf("read CA: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return none, fmt.Errorf("read CA: found no PEM in %s", path)
	}
	read, err := parse(block.Bytes)
	if err != nil {
		return none, fmt.Errorf("read CA: %s: %w", path, err)
	}
	return read, nil
}

// sign creates a key and its certificate, signed by an authority, or self-signed
// without one.
func (w *keyWriter) sign(name string, template *x509.Certificate, by *authority) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	if by == nil {
		by = &authority{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, &key.PublicKey, by.key)
	if err != nil {
		return fmt.Errorf("sign certificate for %s: %w", name, err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return errors.Join(
		w.write(name+".key", encoded("EC PRIVATE KEY", private)),
		w.write(name+".pem", encoded("CERTIFICATE", der)))
}

func encoded(kind string, der []byte) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}) // a buffer never fails
	return b.Bytes()
}
