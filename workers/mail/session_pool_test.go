package mail_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"vedette/workers/mail"
)

// warnings collects warnings, safe for concurrent use.
type warnings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *warnings) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(line)
}

func (w *warnings) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *warnings) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// The relay refuses sessions beyond its limit at once, before any other session
// has passed TLS and login. The log must not call the relay unreachable.
func TestSessionLimitIsNoFailureWhileFirstSessionOpens(t *testing.T) {
	t.Parallel()
	certificate, trusted := certify(t)
	h := startServer(t, &smtpServer{limit: 2}, certificate, false)
	relay := mail.Relay{Host: h.host, Port: h.port, RootCAs: trusted, Username: "me", Password: "s3cret"}
	var told warnings
	s := newSender(t, mail.Config{Relays: []mail.Relay{relay}, Sessions: 32, Logger: told.logger()})
	var group sync.WaitGroup
	for n := range 32 {
		group.Go(func() {
			_, err := s.Send(t.Context(), order(fmt.Sprintf("m%d", n)), stored)
			if got := resultOf(mail.JobError(err)); got != "done" && got != "free true" || err != nil && strings.Contains(err.Error(), "rests") {
				t.Errorf("got %v, want the mail sent, or given back by a relay that has a limit", err)
			}
		})
	}
	group.Wait()
	if got := told.String(); got != "" || !s.Available() {
		t.Errorf("got open %t and told %s, want a relay in use", s.Available(), got)
	}
}
