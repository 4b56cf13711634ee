package mail

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// slowRelay is a relay at the other end of a pipe that delays its replies to the
// commands, the body or the dot in delays.
func slowRelay(conn net.Conn, delays map[string]time.Duration) {
	reader := bufio.NewReader(conn)
	say := func(reply string) { fmt.Fprintf(conn, "%s\r\n", reply) }
	say("220 relay.test")
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		<-time.After(delays[verb])
		if verb != "DATA" {
			say("250 ok")
			continue
		}
		say("354 go ahead")
		<-time.After(delays["body"])
		for line != ".\r\n" && err == nil {
			line, err = reader.ReadString('\n')
		}
		<-time.After(delays["."])
		say("250 queued")
	}
}

// pipeSession opens a session with a slow relay.
func pipeSession(t *testing.T, delays map[string]time.Duration, limits Config) *session {
	t.Helper()
	ours, theirs := net.Pipe()
	var group sync.WaitGroup
	group.Go(func() { slowRelay(theirs, delays) })
	t.Cleanup(func() {
		_ = ours.Close()
		group.Wait()
	})
	client, err := smtp.NewClient(ours, "relay.test")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Hello("worker.test"); err != nil {
		t.Fatal(err)
	}
	return &session{client: client, conn: ours, config: &limits}
}

func TestEachStepHasItsOwnTimeout(t *testing.T) {
	t.Parallel()
	type delays = map[string]time.Duration
	limits := Config{CommandTimeout: 30 * time.Second, DotTimeout: 5 * time.Minute}
	late := limits.CommandTimeout + time.Second
	for name, c := range map[string]struct {
		delays delays
		class  Class
		stage  Stage
		took   time.Duration
	}{
		"slow at every step": {
			delays{"MAIL": 29 * time.Second, "RCPT": 29 * time.Second, "DATA": 29 * time.Second, "body": 29 * time.Second, ".": 299 * time.Second},
			ClassDelivered, StageDot, 415 * time.Second,
		},
		"too slow at MAIL":      {delays{"MAIL": late}, ClassRelay, StageMail, limits.CommandTimeout},
		"too slow at RCPT":      {delays{"RCPT": late}, ClassRelay, StageRcpt, limits.CommandTimeout},
		"too slow at DATA":      {delays{"DATA": late}, ClassRelay, StageData, limits.CommandTimeout},
		"too slow for the body": {delays{"body": time.Minute}, ClassRelay, StageBody, limits.CommandTimeout + cleanupTimeout},
		"too slow at the dot":   {delays{".": limits.DotTimeout + time.Second}, ClassUnknown, StageDot, limits.DotTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := pipeSession(t, c.delays, limits)
				m := Message{From: "a@example.org", To: "b@example.org", Bytes: []byte(strings.Repeat("a line\r\n", 1<<14))}
				began := time.Now()
				v, keep := s.deliver(t.Context(), m)
				if v.Class != c.class || v.Stage != c.stage || keep != (c.class == ClassDelivered) {
					t.Errorf("got %+v, kept %t, want %s at %s", v, keep, c.class, c.stage)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("took %s, want %s", took, c.took)
				}
			})
		})
	}
}

// The pool ends an idle session, not a deadline from its last mail.
func TestIdleSessionOutlivesMailDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pipeSession(t, nil, Config{CommandTimeout: time.Second, DotTimeout: time.Second})
		for n := range 3 {
			<-time.After(time.Hour)
			if v, keep := s.deliver(t.Context(), Message{Bytes: []byte("Subject: s\r\n\r\n")}); v.Class != ClassDelivered || !keep {
				t.Fatalf("mail %d: got %+v, kept %t, want it delivered after an idle hour", n, v, keep)
			}
		}
	})
}
