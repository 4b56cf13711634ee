package mail

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// sign prepends a signature to a rendered mail.
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
	var options crypto.SignerOpts = crypto.SHA256
	if _, ok := d.Key.Public().(ed25519.PublicKey); ok {
		options = crypto.Hash(0) // RFC 8463, 3: sign the digest itself
	}
	signature, err := d.Key.Sign(rand.Reader, hashed, options) // deterministic for both kinds of key
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append([]byte(dated+fold(base64.StdEncoding.EncodeToString(signature))+"\r\n"), rendered...), nil
}

// unsignedField has the library hash the body and write the header field up to
// "b=". The library always dates a signature itself, so its own signature
// cannot be used.
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

// emptySigner makes empty signatures.
type emptySigner struct{ public crypto.PublicKey }

func (e emptySigner) Public() crypto.PublicKey { return e.public }

func (emptySigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }

// redate replaces the time in a signature field.
func redate(field string, at time.Time) (string, error) {
	before, after, ok := strings.Cut(field, " t=")
	_, after, ended := strings.Cut(after, ";")
	if !ok || !ended {
		return "", fmt.Errorf("find time: found none in %q", field)
	}
	return before + " t=" + strconv.FormatInt(at.Unix(), 10) + ";" + after, nil
}

// signedHeaders are the fields that a signature covers, if present (RFC 6376,
// 5.4.1). Each is listed twice, so that nothing can be added to a signed mail.
func signedHeaders() []string {
	once := []string{
		"From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Id", "Auto-Submitted",
	}
	return append(once, once...)
}

// digest is the hash to sign: over the mail's fields and, last, the signature's
// own field (RFC 6376, 3.7).
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
		_, _ = io.WriteString(hash, fields[name]) // never fails
		delete(fields, name)
	}
	_, relaxed := relaxed(field)
	_, _ = io.WriteString(hash, strings.TrimSuffix(relaxed, "\r\n"))
	return hash.Sum(nil)
}

// splitFields splits a header into fields with their continuation lines.
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

// relaxed applies the canonicalization "relaxed" to a field (RFC 6376, 3.4.2).
func relaxed(field string) (name, relaxed string) {
	name, value, _ := strings.Cut(field, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	return name, name + ":" + strings.Join(strings.FieldsFunc(value, isSpace), " ") + "\r\n"
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

// foldWidth keeps the lines of a signature below the 78 characters in RFC 5322,
// 2.1.1.
const foldWidth = 72

func fold(text string) string {
	var b strings.Builder
	for len(text) > foldWidth {
		b.WriteString(text[:foldWidth] + "\r\n ")
		text = text[foldWidth:]
	}
	return b.String() + text
}
