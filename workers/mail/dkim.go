package mail

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
)

// DKIM signs mails (RFC 6376), for relays that do not sign them. Leave signing
// to a relay that can: an RSA signature costs more than all other work for a
// mail.
//
// A mail is signed if its sender is in Domain or a subdomain. A signature for
// another domain would prove nothing about the sender (RFC 7489, 3.1.1). The
// signature bears the time when the job was stored, not the attempt's, so that
// a retry sends the same bytes.
type DKIM struct {
	// Domain and Selector name the DNS record with the public key:
	// SELECTOR._domainkey.DOMAIN.
	Domain, Selector string
	// Key is an RSA (RFC 6376) or Ed25519 key (RFC 8463).
	Key crypto.Signer
}

// minKeyBits is the size of the smallest RSA key that verifiers accept, RFC
// 8301, 3.2.
const minKeyBits = 1024

// ParseDKIMKey parses a private key, RSA or Ed25519, from PEM: PKCS #8 as
// written by openssl genpkey, or PKCS #1. No error contains a part of the key.
func ParseDKIMKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("found no PEM block, expected a private key between BEGIN and END lines")
	}
	parsed, err := parseKey(block)
	if err != nil {
		return nil, err
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minKeyBits {
			return nil, fmt.Errorf("found an RSA key of %d bits, expected at least %d", bits, minKeyBits)
		}
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	default:
		return nil, fmt.Errorf("found a key of type %T, expected RSA or Ed25519", parsed)
	}
}

func parseKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("found an encrypted key, expected one without a passphrase")
		}
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("found an encrypted key, expected one without a passphrase")
	default:
		return nil, fmt.Errorf("found a %s, expected a private key", strings.ToLower(block.Type))
	}
}

// Record returns the name and the text of the DNS record with the public key.
func (d *DKIM) Record() (name, text string, err error) {
	name = d.Selector + "._domainkey." + d.Domain
	if key, ok := d.Key.Public().(ed25519.PublicKey); ok {
		return name, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key), nil
	}
	key, err := x509.MarshalPKIXPublicKey(d.Key.Public())
	if err != nil {
		return "", "", fmt.Errorf("encode public key: %w", err)
	}
	return name, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(key), nil
}

func (d *DKIM) validate() error {
	var p problems
	p.require(validHost(d.Domain) && validHost(d.Selector) && !strings.ContainsAny(d.Domain+d.Selector, ";=:"),
		"dkim: found domain %q and selector %q, expected two names", d.Domain, d.Selector)
	p.require(isASCII(d.Domain+d.Selector), "dkim: found domain %q, expected its ASCII form, such as xn--mller-kva.example", d.Domain)
	p.require(d.Key != nil, "dkim: found no key, expected one")
	return errors.Join(p...)
}

// signs reports whether mails from a sender are signed.
func (d *DKIM) signs(from *netmail.Address) bool {
	domain := strings.ToLower(from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	own := strings.ToLower(d.Domain)
	return domain == own || strings.HasSuffix(domain, "."+own)
}
