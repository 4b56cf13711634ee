package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"vedette/pipeline/pipelinetest"
)

// faultyRelay is a real SMTP server at a fixed address whose faults can be switched.
type faultyRelay struct {
	smtpServer

	address string
	stop    func()

	mutex       sync.Mutex
	certificate *tls.Certificate
	defers      *smtp.SMTPError // the answer to RCPT, nil to accept
	refuses     *smtp.SMTPError // the answer to MAIL, nil to accept
	began       int             // transactions
}

func newFaultyRelay(t *testing.T, certificate *tls.Certificate) *faultyRelay {
	t.Helper()
	r := &faultyRelay{address: "127.0.0.1:0", certificate: certificate}
	r.listen(t)
	t.Cleanup(func() { r.close() })
	return r
}

func (r *faultyRelay) listen(t *testing.T) {
	t.Helper()
	var listener net.Listener
	pipelinetest.Eventually(t, "the address is free", func() (free bool) {
		var err error
		listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", r.address)
		return err == nil
	})
	r.address = listener.Addr().String()
	r.host, r.port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	server := smtp.NewServer(r)
	server.Domain, server.ErrorLog = "server.test", noLog{}
	if r.certificate != nil {
		server.TLSConfig = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			r.mutex.Lock()
			defer r.mutex.Unlock()
			return r.certificate, nil
		}}
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	r.stop = func() {
		_ = listener.Close() // in case the server does not serve yet
		_ = server.Close()
		<-served
	}
}

func (r *faultyRelay) close() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

func (r *faultyRelay) show(certificate *tls.Certificate) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.certificate = certificate
}

func (r *faultyRelay) answerRecipients(answer *smtp.SMTPError) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.defers = answer
}

func (r *faultyRelay) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s, err := r.smtpServer.NewSession(c)
	if err != nil {
		return nil, err
	}
	return &faultySession{s.(*serverSession), r}, nil
}

type faultySession struct {
	*serverSession

	relay *faultyRelay
}

func (s *faultySession) Mail(from string, options *smtp.MailOptions) error {
	s.relay.mutex.Lock()
	defer s.relay.mutex.Unlock()
	s.relay.began++
	if s.relay.refuses != nil {
		return s.relay.refuses
	}
	return s.serverSession.Mail(from, options)
}

func (s *faultySession) Rcpt(to string, options *smtp.RcptOptions) error {
	s.relay.mutex.Lock()
	defer s.relay.mutex.Unlock()
	if s.relay.defers != nil {
		return s.relay.defers
	}
	return s.serverSession.Rcpt(to, options)
}

// certifyUntil creates certificates from the same authority that expire at the
// given times, and a pool that trusts them.
func certifyUntil(t *testing.T, ends ...time.Time) ([]*tls.Certificate, *x509.CertPool) {
	t.Helper()
	create := func(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	authorityKey := newKey()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root, err := x509.ParseCertificate(create(authority, authority, authorityKey, authorityKey))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	var all []*tls.Certificate
	for _, end := range ends {
		key := newKey()
		der := create(&x509.Certificate{
			SerialNumber: big.NewInt(2), NotBefore: end.AddDate(0, 0, -90), NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			KeyUsage: x509.KeyUsageDigitalSignature,
		}, root, key, authorityKey)
		all = append(all, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	}
	return all, roots
}
