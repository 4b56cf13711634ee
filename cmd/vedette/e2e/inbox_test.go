package e2e_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// inbox is a real SMTP server that keeps all mails.
type inbox struct {
	Address  string
	mu       sync.Mutex
	mails    []string // "recipient [KIND]"
	bodies   []string
	received []receivedMail
	refuses  bool          // every recipient
	Pause    time.Duration // before a mail is accepted
	TLS      *tls.Config   // for STARTTLS; nil offers none
	password string        // of the user "me"; empty offers no login
	stop     func()        // closes the server; nil when it is closed
}

// receivedMail is a mail in an inbox.
type receivedMail struct {
	To, Subject, ID, Text string
	at                    time.Time
}

// Subjects returns the subjects for an address, in order.
func (b *inbox) Subjects(address string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var subjects []string
	for _, l := range b.received {
		if l.To == address {
			subjects = append(subjects, l.Subject)
		}
	}
	return subjects
}

// All returns all mails.
func (b *inbox) All() []receivedMail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

// Arrivals counts the arrivals of each Message-ID and returns the first times.
func (b *inbox) Arrivals() (times map[string]int, first map[string]time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	times, first = map[string]int{}, map[string]time.Time{}
	for _, l := range b.received {
		times[l.ID]++
		if times[l.ID] == 1 {
			first[l.ID] = l.at
		}
	}
	return times, first
}

// Refuse makes the inbox refuse or accept all recipients.
func (b *inbox) Refuse(refuses bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuses = refuses
}

// Holds reports whether a mail has all parts.
func (b *inbox) Holds(parts ...string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.bodies, func(body string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(body, part) })
	})
}

// newInbox opens an inbox until the test ends.
func newInbox(t *testing.T) *inbox {
	t.Helper()
	box := &inbox{Address: "127.0.0.1:0"}
	box.Listen(t)
	t.Cleanup(box.Close)
	return box
}

// Listen opens the inbox, at its address once it has one.
func (b *inbox) Listen(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", b.Address)
	for limit, look := time.After(time.Minute), time.Tick(20*time.Millisecond); err != nil; listener, err = net.Listen("tcp", b.Address) {
		select {
		case <-limit:
			t.Fatal(err)
		case <-look:
		}
	}
	b.Address = listener.Addr().String()
	server := b.Server()
	server.Domain, server.ErrorLog, server.TLSConfig, server.AllowInsecureAuth = "localhost", quietLog{}, b.TLS, b.password != ""
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	b.stop = func() {
		_ = listener.Close() // before Serve, the server does not know the listener
		_ = server.Close()
		<-done
	}
}

// Server is what takes the mails; it does not listen yet.
func (b *inbox) Server() *smtp.Server {
	return smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &inboxSession{box: b}, nil }))
}

// Close closes the inbox; it keeps what it has.
func (b *inbox) Close() {
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
}

// Relay is the inbox as a line of a monitor file.
func (b *inbox) Relay() string {
	host, port, _ := net.SplitHostPort(b.Address)
	return fmt.Sprintf("{host: %s, port: %s, tls: none}", host, port)
}

// Count returns how many mails of a kind an address got.
func (b *inbox) Count(address, kind string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, mail := range b.mails {
		if mail == address+" "+kind {
			n++
		}
	}
	return n
}

type inboxSession struct {
	box *inbox
	to  string
}

func (s *inboxSession) AuthMechanisms() []string {
	if s.box.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *inboxSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "me" || password != s.box.password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (*inboxSession) Mail(string, *smtp.MailOptions) error { return nil }

func (*inboxSession) Reset() {}

func (*inboxSession) Logout() error { return nil }

func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if strings.HasPrefix(to, "gone@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	if s.box.refuses {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "come back later"}
	}
	return nil
}

func (s *inboxSession) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, subject, _ := strings.Cut(string(body), "Subject: ")
	kind, _, _ := strings.Cut(subject, " ")
	read, err := openLetter(body)
	if err != nil {
		return err
	}
	if s.box.Pause > 0 {
		<-time.After(s.box.Pause)
	}
	read.To, read.at = s.to, time.Now()
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.received = append(s.box.received, read)
	s.box.mails = append(s.box.mails, s.to+" "+kind)
	s.box.bodies = append(s.box.bodies, strings.ReplaceAll(string(body), "=\r\n", "")) // without the folds of quoted-printable
	return nil
}

// openLetter reads the header and the plain text of a mail.
func openLetter(body []byte) (receivedMail, error) {
	message, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return receivedMail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if err != nil {
		return receivedMail{}, err
	}
	read := receivedMail{Subject: subject, ID: message.Header.Get("Message-Id")}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return read, err
	}
	part, err := multipart.NewReader(message.Body, params["boundary"]).NextPart() // undoes the encoding
	if err != nil {
		return receivedMail{}, err
	}
	text, err := io.ReadAll(part)
	read.Text = string(text)
	return read, err
}

// quietLog hides that clients were killed.
type quietLog struct{}

func (quietLog) Printf(string, ...any) {}

func (quietLog) Println(...any) {}
