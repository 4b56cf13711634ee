// Command catcher is a mail relay for trials. It keeps mails and never sends
// them. It accepts SMTP on port 1025, prints each mail, and shows all mails over
// HTTP on port 8025.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// mailbox keeps the mails.
type mailbox struct {
	mu    sync.Mutex
	mails []string
}

func (b *mailbox) add(mail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = append(b.mails, mail)
	_, _ = fmt.Fprintln(os.Stdout, mail)
}

// ServeHTTP shows the mails, oldest first.
func (b *mailbox) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, mail := range b.mails {
		_, _ = fmt.Fprintln(w, mail)
	}
}

// session receives mails from one client.
type session struct {
	box *mailbox
	to  []string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	mail, err := io.ReadAll(r)
	if err == nil {
		s.box.add(fmt.Sprintf("=== for %v\n%s", s.to, mail))
	}
	return err
}

func main() {
	listen := "0.0.0.0"
	if len(os.Args) > 1 {
		listen = os.Args[1]
	}
	kept := &mailbox{}
	relay := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: kept}, nil }))
	relay.Addr, relay.Domain, relay.ReadTimeout, relay.WriteTimeout = listen+":1025", "catcher", time.Minute, time.Minute
	page := &http.Server{Addr: listen + ":8025", Handler: kept, ReadHeaderTimeout: time.Minute}
	go func() { log.Fatal(page.ListenAndServe()) }()
	log.Fatal(relay.ListenAndServe())
}
