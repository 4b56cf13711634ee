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

// smtpServer is a real SMTP server that accepts all mails.
type smtpServer struct {
	host string
	port int
	// hold is called before each mail is accepted.
	hold func()
	// limit is the maximum number of sessions; zero means no limit.
	limit int

	mu       sync.Mutex
	sessions int // since the start
	open     int
	most     int // maximum of open
	got      []received
}

type received struct{ from, to, body string }

func (h *smtpServer) NewSession(*smtp.Conn) (smtp.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limit > 0 && h.open >= h.limit {
		return nil, &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "too many of you"}
	}
	h.sessions++
	h.open++
	h.most = max(h.most, h.open)
	return &serverSession{server: h}, nil
}

func (h *smtpServer) mails() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.got
}

type serverSession struct {
	server *smtpServer
	mail   received
}

func (*serverSession) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

func (*serverSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "me" || password != "s3cret" {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *serverSession) Mail(from string, _ *smtp.MailOptions) error {
	v.mail = received{from: from}
	return nil
}

func (v *serverSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	v.mail.to = to
	return nil
}

func (v *serverSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if v.server.hold != nil {
		v.server.hold()
	}
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	v.mail.body = string(body)
	v.server.got = append(v.server.got, v.mail)
	return nil
}

func (*serverSession) Reset() {}

func (v *serverSession) Logout() error {
	v.server.mu.Lock()
	defer v.server.mu.Unlock()
	v.server.open--
	return nil
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}
func (noLog) Println(...any)        {}

// startServer starts a server. With a certificate it offers STARTTLS; with implicit
// it uses TLS from the first byte.
func startServer(tb testing.TB, h *smtpServer, certificate *tls.Certificate, implicit bool) *smtpServer {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	h.host, h.port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	server := smtp.NewServer(h)
	server.Domain, server.ErrorLog = "server.test", noLog{}
	if certificate != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}}
	}
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	tb.Cleanup(func() {
		_ = listener.Close() // in case the server does not serve yet
		_ = server.Close()
		<-served
	})
	return h
}

func (h *smtpServer) plain() mail.Relay {
	return mail.Relay{Host: h.host, Port: h.port, TLS: mail.TLSNone}
}
