package mail_test

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"vedette/workers/mail"
)

// house is a real SMTP server that takes every mail.
type house struct {
	host string
	port int
	// hold is called for each mail before it is accepted.
	hold func()
	// limit is how many sessions it takes at once; zero means any number.
	limit int

	mu       sync.Mutex
	sessions int // since the start
	open     int
	most     int // open at once
	got      []letter
}

type letter struct{ from, to, body string }

func (h *house) NewSession(*smtp.Conn) (smtp.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limit > 0 && h.open >= h.limit {
		return nil, &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many of you"}
	}
	h.sessions++
	h.open++
	h.most = max(h.most, h.open)
	return &visit{house: h}, nil
}

func (h *house) letters() []letter {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.got
}

type visit struct {
	house  *house
	letter letter
}

func (*visit) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

func (*visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "me" || password != "s3cret" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *visit) Mail(from string, _ *smtp.MailOptions) error {
	v.letter = letter{from: from}
	return nil
}

func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.letter.to = to
	return nil
}

func (v *visit) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if v.house.hold != nil {
		v.house.hold()
	}
	v.house.mu.Lock()
	defer v.house.mu.Unlock()
	v.letter.body = string(body)
	v.house.got = append(v.house.got, v.letter)
	return nil
}

func (*visit) Reset() {}

func (v *visit) Logout() error {
	v.house.mu.Lock()
	defer v.house.mu.Unlock()
	v.house.open--
	return nil
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}
func (noLog) Println(...any)        {}

// openHouse starts a real server; with a certificate it offers STARTTLS, and
// with implicit it speaks TLS from the first byte.
func openHouse(tb testing.TB, h *house, certificate *tls.Certificate, implicit bool) *house {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h.host, h.port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	server := smtp.NewServer(h)
	server.Domain, server.ErrorLog = "house.test", noLog{}
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tb.Cleanup(func() {
		_ = listener.Close() // a server that does not serve yet does not know of it
		_ = server.Close()
		<-served
	})
	return h
}

func (h *house) plain() mail.Relay {
	return mail.Relay{Host: h.host, Port: h.port, TLS: mail.TLSNone}
}
