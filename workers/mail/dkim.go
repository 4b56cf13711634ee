package mail

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// DKIM is the key with which mails are signed (RFC 6376), for relays that do
// not sign themselves. One that does is better: an RSA signature costs more than
// everything else about a mail.
//
// A mail is signed when its sender is in Domain or below it; a signature of
// somebody else's domain would prove nothing about the sender (RFC 7489, 3.1.1).
// The signature is dated with the time at which the mail was ordered, not with
// that of the attempt, so that a retry is byte for byte the same.
type DKIM struct {
	// Domain and Selector say where the public key stands:
	// SELECTOR._domainkey.DOMAIN.
	Domain, Selector string
	// Key is an RSA key (RFC 6376) or an Ed25519 key (RFC 8463).
	Key crypto.Signer
}

// minKeyBits is the smallest RSA key that verifiers accept, RFC 8301, 3.2.
const minKeyBits = 1024

// ParseDKIMKey reads a private key, RSA or Ed25519, from PEM: PKCS #8 as openssl
// genpkey writes it, or PKCS #1. The error says what was found instead; it holds
// nothing of the key.
func ParseDKIMKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("found no PEM, expected a private key between BEGIN and END lines")
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

// Record returns the name of the DNS record in which verifiers look for the
// public key, and its text.
func (d *DKIM) Record() (name, text string, err error) {
	name = d.Selector + "._domainkey." + d.Domain
	if key, ok := d.Key.Public().(ed25519.PublicKey); ok {
		return name, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(key), nil
	}
	key, err := x509.MarshalPKIXPublicKey(d.Key.Public())
	if err != nil {
		return "", "", fmt.Errorf("write public key: %w", err)
	}
	return name, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(key), nil
}

func (d *DKIM) validate() error {
	var problems []error
	if !validHost(d.Domain) || !validHost(d.Selector) || strings.ContainsAny(d.Domain+d.Selector, ";=:") {
		problems = append(problems, fmt.Errorf("dkim: found domain %q and selector %q, expected two names", d.Domain, d.Selector))
	}
	if !isASCII(d.Domain + d.Selector) {
		problems = append(problems, fmt.Errorf("dkim: found domain %q, expected it as the DNS has it, such as xn--mller-kva.example", d.Domain))
	}
	if d.Key == nil {
		problems = append(problems, errors.New("dkim: found no key"))
	}
	return errors.Join(problems...)
}

// signs tells whether mails of a sender are signed.
func (d *DKIM) signs(from *netmail.Address) bool {
	domain := strings.ToLower(from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	own := strings.ToLower(d.Domain)
	return domain == own || strings.HasSuffix(domain, "."+own)
}

// sign puts a signature before a rendered mail.
func (d *DKIM) sign(rendered []byte, at time.Time) ([]byte, error) {
	unsigned, err := d.unsignedField(rendered)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	dated, err := redate(unsigned, at)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	hashed := digest(rendered, dated)
	var how crypto.SignerOpts = crypto.SHA256
	if _, ok := d.Key.Public().(ed25519.PublicKey); ok {
		how = crypto.Hash(0) // RFC 8463, 3: the digest is what is signed
	}
	signature, err := d.Key.Sign(rand.Reader, hashed, how) // both kinds of signature are the same each time
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append([]byte(dated+fold(base64.StdEncoding.EncodeToString(signature))+"\r\n"), rendered...), nil
}

// unsignedField has the library hash the body and write the field, up to "b=": it
// dates each signature itself, which no option changes, so what it would sign is
// not what is sent.
func (d *DKIM) unsignedField(rendered []byte) (string, error) {
	signer, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: d.Domain, Selector: d.Selector, Signer: emptySigner{d.Key.Public()}, HeaderKeys: signedHeaders(),
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return "", err
	}
	_, err = signer.Write(rendered)
	if err := errors.Join(err, signer.Close()); err != nil {
		return "", err
	}
	return strings.TrimSuffix(signer.Signature(), "\r\n"), nil
}

// emptySigner leaves signatures empty.
type emptySigner struct{ public crypto.PublicKey }

func (b emptySigner) Public() crypto.PublicKey { return b.public }

func (emptySigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }

// redate replaces the time of a signature.
func redate(field string, at time.Time) (string, error) {
	before, after, ok := strings.Cut(field, " t=")
	_, after, ended := strings.Cut(after, ";")
	if !ok || !ended {
		return "", fmt.Errorf("found no time in %q", field)
	}
	return before + " t=" + strconv.FormatInt(at.Unix(), 10) + ";" + after, nil
}

// signedHeaders are the fields that a signature covers, if they are there (RFC
// 6376, 5.4.1). Each stands twice: so no second one can be put beside it.
func signedHeaders() []string {
	once := []string{
		"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Id", "Auto-Submitted",
	}
	return append(once, once...)
}

// digest is what is signed: the fields of the mail, and last that of the
// signature itself (RFC 6376, 3.7).
func digest(rendered []byte, field string) []byte {
	header, _, _ := bytes.Cut(rendered, []byte("\r\n\r\n"))
	fields := make(map[string]string)
	for _, f := range splitFields(string(header)) {
		name, relaxed := relaxed(f)
		fields[name] = relaxed
	}
	hash := sha256.New()
	for _, name := range signedHeaders() {
		name = strings.ToLower(name)
		_, _ = io.WriteString(hash, fields[name]) // a hash takes everything
		delete(fields, name)
	}
	_, relaxed := relaxed(field)
	_, _ = io.WriteString(hash, strings.TrimSuffix(relaxed, "\r\n"))
	return hash.Sum(nil)
}

// splitFields cuts a header into its fields, each with its continuation lines.
func splitFields(header string) []string {
	var fields []string
	for line := range strings.SplitSeq(header, "\r\n") {
		if len(fields) > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			fields[len(fields)-1] += line
			continue
		}
		fields = append(fields, line)
	}
	return fields
}

// relaxed writes a field as the canonicalization "relaxed" does (RFC 6376, 3.4.2).
func relaxed(field string) (name, relaxed string) {
	name, value, _ := strings.Cut(field, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	return name, name + ":" + strings.Join(strings.FieldsFunc(value, isSpace), " ") + "\r\n"
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// foldWidth keeps the lines of a signature below the 78 of RFC 5322, 2.1.1.
const foldWidth = 72

func fold(text string) string {
	var b strings.Builder
	for len(text) > foldWidth {
		b.WriteString(text[:foldWidth] + "\r\n ")
		text = text[foldWidth:]
	}
	return b.String() + text
}
