package mail_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// dkimKey generates a key and parses it from PEM, as from a file.
func dkimKey(t *testing.T, key any) *mail.DKIM {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := mail.ParseDKIMKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return &mail.DKIM{Domain: "example.com", Selector: "v1", Key: parsed}
}

func newRSA(t *testing.T) *mail.DKIM {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return dkimKey(t, key)
}

func newEd25519(t *testing.T) *mail.DKIM {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return dkimKey(t, key)
}

// verified returns what a verifier with the key's DNS record finds.
func verified(t *testing.T, d *mail.DKIM, message []byte) []*dkim.Verification {
	t.Helper()
	name, text, err := d.Record()
	if err != nil {
		t.Fatal(err)
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(message), &dkim.VerifyOptions{LookupTXT: func(domain string) ([]string, error) {
		if domain != name {
			return nil, fmt.Errorf("got a question for %s, want one for %s", domain, name)
		}
		return []string{text}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSignatureVerifiesAndIsDeterministic(t *testing.T) {
	t.Parallel()
	full := order("full")
	full.CC, full.ReplyTo, full.List = []string{"Jürgen <j@example.org>"}, "help@example.com", "alerts"
	full.Subject = strings.Repeat("sehr länglich ", 30) // folded
	full.Attachments = []job.Attachment{{Name: "a.txt", Content: []byte("a  b \r\n\r\n")}}
	plain := job.Mail{V: 1, ID: "plain", To: "ops@example.org", Subject: "  two  blanks ", Text: "ends with blanks  \n\n\n"}
	for name, d := range map[string]*mail.DKIM{"rsa": newRSA(t), "ed25519": newEd25519(t)} {
		for _, m := range []job.Mail{full, plain} {
			t.Run(name+" "+m.ID, func(t *testing.T) {
				t.Parallel()
				with := mail.Defaults{From: defaults.From, Stored: stored, DKIM: d}
				message, err := mail.Build(m, with)
				if err != nil {
					t.Fatal(err)
				}
				found := verified(t, d, message.Bytes)
				if len(found) != 1 || found[0].Err != nil || found[0].Domain != "example.com" || !found[0].Time.Equal(stored) {
					t.Fatalf("got %+v for\n%s\nwant one signature of example.com that holds, dated %s", found[0], message.Bytes, stored)
				}
				again, err := mail.Build(m, with)
				if err != nil || !bytes.Equal(again.Bytes, message.Bytes) {
					t.Errorf("got another signature for the same job, %v, want the same bytes", err)
				}
				unsigned := build(t, m)
				if !bytes.HasSuffix(message.Bytes, unsigned.Bytes) {
					t.Error("the signature changes the mail, want it before the mail")
				}
			})
		}
	}
}

func TestSignatureDetectsChanges(t *testing.T) {
	t.Parallel()
	d := newEd25519(t)
	message, err := mail.Build(order("m1"), mail.Defaults{From: defaults.From, Stored: stored, DKIM: d})
	if err != nil {
		t.Fatal(err)
	}
	text := string(message.Bytes)
	for name, forged := range map[string]string{
		"body":           strings.Replace(text, "It is down.", "It is well.", 1),
		"subject":        strings.Replace(text, "\r\nSubject:", "\r\nSubject: x", 1),
		"second subject": strings.Replace(text, "\r\nSubject:", "\r\nSubject: x\r\nSubject:", 1),
		"second from":    "From: boss@example.com\r\n" + text,
		"time":           strings.Replace(text, fmt.Sprintf("t=%d", stored.Unix()), fmt.Sprintf("t=%d", stored.Unix()+1), 1),
		"new reply-to":   "Reply-To: boss@example.net\r\n" + text,
	} {
		if forged == text {
			t.Fatalf("%s: the forgery is no other mail", name)
		}
		if found := verified(t, d, []byte(forged)); len(found) != 1 || found[0].Err == nil {
			t.Errorf("%s: got a signature that holds, want one that does not", name)
		}
	}
}

func TestOnlyMailsFromDomainAreSignedOnce(t *testing.T) {
	t.Parallel()
	d := newEd25519(t)
	for from, want := range map[string]int{
		"": 1, "a@EXAMPLE.com": 1, "a@eu.example.com": 1, "a@example.org": 0, "a@badexample.com": 0, "a@com": 0,
	} {
		m := order("m1")
		m.From = from
		message, err := mail.Build(m, mail.Defaults{From: defaults.From, Stored: stored, DKIM: d})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(message.Bytes), "DKIM-Signature:"); got != want {
			t.Errorf("from %q: got %d signatures, want %d", from, got, want)
		}
	}
	m := order("m1")
	m.Headers = map[string]string{"DKIM-Signature": "v=1; d=example.com"}
	if _, err := mail.Build(m, defaults); err == nil {
		t.Error("got a mail with a signature of its own, want it refused")
	}
}

func TestUnusableDKIMKeysAreRefused(t *testing.T) {
	t.Parallel()
	small := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: smallRSA(t)}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string]string{
		"found no PEM":                     "hunter2",
		"found a public key":               string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})),
		"found an encrypted key":           string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})),
		"an RSA key of 512 bits":           string(pem.EncodeToMemory(small)),
		"a key of type *ecdsa.PrivateKey,": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	} {
		if _, err := mail.ParseDKIMKey([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// smallRSA generates a key that the standard library refuses to generate.
func smallRSA(t *testing.T) []byte {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		p, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			t.Fatal(err)
		}
		q, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			t.Fatal(err)
		}
		d := new(big.Int).ModInverse(e, new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
		n := new(big.Int).Mul(p, q)
		if d == nil || n.BitLen() != 512 {
			continue
		}
		return x509.MarshalPKCS1PrivateKey(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: 65537}, D: d, Primes: []*big.Int{p, q}})
	}
}
