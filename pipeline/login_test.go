package pipeline_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"vedette/pipeline"
	"vedette/pipeline/broker"
)

// certificates are a CA, and a certificate of it for loopback that is good for
// both sides, as files.
type certificates struct{ ca, cert, key string }

func newCertificates(t *testing.T) certificates {
	t.Helper()
	dir := t.TempDir()
	c := certificates{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey := newKey(t)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	key := newKey(t)
	for path, made := range map[string]*x509.Certificate{c.ca: authority, c.cert: leaf} {
		public := &key.PublicKey
		if made == authority {
			public = &caKey.PublicKey
		}
		der, err := x509.CreateCertificate(rand.Reader, made, authority, public, caKey)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, path, "CERTIFICATE", der)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, c.key, "PRIVATE KEY", der)
	return c
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	writeFile(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func writeFile(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logsIn tries to connect for a moment.
func logsIn(t *testing.T, url string, login pipeline.Login) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	p, err := pipeline.Connect(ctx, pipeline.Config{URL: url, Login: login})
	if err != nil {
		return err
	}
	return p.Close()
}

func TestServerIsKnownByItsCAOrItsPinnedCertificate(t *testing.T) {
	t.Parallel()
	own, other := newCertificates(t), newCertificates(t)
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{Dir: dir, Listen: "127.0.0.1:0", ClientTLS: &broker.TLS{CertFile: own.cert, KeyFile: own.key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	pinned, err := broker.FindCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := os.ReadFile(other.cert)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		login pipeline.Login
		says  string
	}{
		"its CA":              {pipeline.Login{CAFile: own.ca}, ""},
		"its certificate":     {pipeline.Login{Pinned: pinned}, ""},
		"nothing":             {pipeline.Login{}, "unknown authority"},
		"another CA":          {pipeline.Login{CAFile: other.ca}, "unknown authority"},
		"another certificate": {pipeline.Login{Pinned: string(wrong)}, "found another certificate"},
		"no PEM":              {pipeline.Login{Pinned: "x"}, "found no PEM"},
	} {
		err := logsIn(t, b.URL(), c.login)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
	inside, err := pipeline.Connect(t.Context(), pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret()})
	if err != nil {
		t.Fatalf("got %v inside the process, want a connection without TLS", err)
	}
	_ = inside.Close()
	if err := logsIn(t, strings.Replace(b.URL(), "tls://", "nats://", 1), pipeline.Login{}); err == nil {
		t.Error("got a connection in clear text, want none")
	}
}

func TestClientsMayHaveToShowACertificateToo(t *testing.T) {
	t.Parallel()
	own, other := newCertificates(t), newCertificates(t)
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", ClientTLS: &broker.TLS{CertFile: own.cert, KeyFile: own.key, CAFile: own.ca}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	if err := logsIn(t, b.URL(), pipeline.Login{CAFile: own.ca, CertFile: own.cert, KeyFile: own.key}); err != nil {
		t.Errorf("got %v with a certificate, want a connection", err)
	}
	for name, login := range map[string]pipeline.Login{"none": {CAFile: own.ca}, "another CA's": {CAFile: own.ca, CertFile: other.cert, KeyFile: other.key}} {
		if err := logsIn(t, b.URL(), login); err == nil {
			t.Errorf("%s: got a connection, want none", name)
		}
	}
	inside, err := pipeline.Connect(t.Context(), pipeline.Config{InProcess: b, User: broker.User, Password: b.Secret()})
	if err != nil {
		t.Fatalf("got %v inside the process, want a connection", err)
	}
	_ = inside.Close()
}

// serverOf runs a server that lets in whom the options say.
func serverOf(t *testing.T, options *server.Options) string {
	t.Helper()
	options.Host, options.Port, options.JetStream, options.StoreDir, options.NoSigs, options.NoLog = "127.0.0.1", server.RANDOM_PORT, options.TrustedOperators == nil, t.TempDir(), true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("got no server, want one that is ready")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s.ClientURL()
}

func TestLoginsOfEveryKind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string { return writeFile(t, filepath.Join(dir, name), text) }
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := user.Seed()
	public, _ := user.PublicKey()
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	strangerSeed, _ := stranger.Seed()
	operated, creds, badCreds := operatedServer(t, dir)
	byToken, byUser, byKey := serverOf(t, &server.Options{Authorization: "hunter2"}), serverOf(t, &server.Options{Username: "v", Password: "hunter2"}), serverOf(t, &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}})
	for name, c := range map[string]struct {
		url  string
		good pipeline.Login
		bad  pipeline.Login
	}{
		"token file":    {byToken, pipeline.Login{TokenFile: file("token", "hunter2\n")}, pipeline.Login{TokenFile: file("bad-token", "hunter3\n")}},
		"token":         {byToken, pipeline.Login{Token: "hunter2"}, pipeline.Login{}},
		"password file": {byUser, pipeline.Login{User: "v", PasswordFile: file("password", "hunter2\n")}, pipeline.Login{User: "v", PasswordFile: file("bad-password", "hunter3\n")}},
		"password":      {byUser, pipeline.Login{User: "v", Password: "hunter2"}, pipeline.Login{User: "w", Password: "hunter2"}},
		"nkey":          {byKey, pipeline.Login{SeedFile: file("seed", string(seed))}, pipeline.Login{SeedFile: file("stranger", string(strangerSeed))}},
		"credentials":   {operated, pipeline.Login{CredsFile: creds}, pipeline.Login{CredsFile: badCreds}},
	} {
		if err := logsIn(t, c.url, c.good); err != nil {
			t.Errorf("%s: got %v, want a connection", name, err)
		}
		if err := logsIn(t, c.url, c.bad); err == nil || !strings.Contains(err.Error(), "Authorization") || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v for another, want it refused", name, err)
		}
	}
}

// operatedServer knows users by JWT; the files are credentials of one of its
// users, and of one of another account.
func operatedServer(t *testing.T, dir string) (url, creds, badCreds string) {
	t.Helper()
	operator, err := nkeys.CreateOperator()
	if err != nil {
		t.Fatal(err)
	}
	name, _ := operator.PublicKey()
	claims := jwt.NewOperatorClaims(name)
	account, signed := newAccount(t, operator)
	other, _ := newAccount(t, operator)
	public, _ := account.PublicKey()
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(public, signed); err != nil {
		t.Fatal(err)
	}
	options := &server.Options{TrustedOperators: []*jwt.OperatorClaims{claims}, AccountResolver: resolver}
	return serverOf(t, options), newCreds(t, account, filepath.Join(dir, "good.creds")), newCreds(t, other, filepath.Join(dir, "bad.creds"))
}

func newAccount(t *testing.T, operator nkeys.KeyPair) (nkeys.KeyPair, string) {
	t.Helper()
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := account.PublicKey()
	signed, err := jwt.NewAccountClaims(public).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	return account, signed
}

func newCreds(t *testing.T, account nkeys.KeyPair, path string) string {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := user.PublicKey()
	signed, err := jwt.NewUserClaims(public).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, _ := user.Seed()
	text, err := jwt.FormatUserConfig(signed, seed)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, path, string(text))
}

func TestLoginThatCannotBeIsRefusedBeforeAnythingIsTried(t *testing.T) {
	t.Parallel()
	for want, login := range map[string]pipeline.Login{
		"several of credentials":        {Token: "a", User: "b"},
		"a certificate or a key":        {CertFile: "a"},
		"a password without a user":     {Password: "a"},
		"a CA and a pinned certificate": {CAFile: "a", Pinned: "b"},
		"no such file":                  {CredsFile: filepath.Join(t.TempDir(), "none")},
		"read seed":                     {SeedFile: writeFile(t, filepath.Join(t.TempDir(), "seed"), "hunter2")},
	} {
		if err := logsIn(t, "nats://127.0.0.1:1", login); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A renewed certificate counts from the next connection on, and one that cannot be
// read does not: a renewal writes one file after the other.
func TestRenewedCertificateOfTheServerIsTakenUp(t *testing.T) {
	t.Parallel()
	own, other := newCertificates(t), newCertificates(t)
	dir := t.TempDir()
	b, err := broker.Start(broker.Config{Dir: dir, Listen: "127.0.0.1:0", ClientTLS: &broker.TLS{CertFile: own.cert, KeyFile: own.key}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	trusts := func(when, ca string) {
		t.Helper()
		if err := logsIn(t, b.URL(), pipeline.Login{CAFile: ca}); err != nil {
			t.Errorf("%s: got %v, want trust", when, err)
		}
	}
	trusts("at first", own.ca)
	replace(t, own.cert, other.cert)
	trusts("while the key is the old one", own.ca)
	replace(t, own.key, other.key)
	trusts("renewed", other.ca)
	if err := logsIn(t, b.URL(), pipeline.Login{CAFile: own.ca}); !errors.Is(err, pipeline.ErrUntrusted) {
		t.Errorf("got %v for the old CA, want ErrUntrusted", err)
	}
	pinned, err := broker.FindCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := logsIn(t, b.URL(), pipeline.Login{Pinned: pinned}); err != nil {
		t.Errorf("got %v for commands of this machine, want trust", err)
	}
}

// replace gives a file the content of another.
func replace(t *testing.T, path, by string) {
	t.Helper()
	content, err := os.ReadFile(by)
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
