package mail_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// The tests in this file show the defects of go-mail that smtp_regression_test.go
// lists. When a test fails after an update, the defect is gone; remove the test.

// ofGoMail opens a session with go-mail alone.
func ofGoMail(t *testing.T, r *relay, options ...gomail.Option) (*gomail.Client, *smtp.Client, error) {
	t.Helper()
	all := []gomail.Option{gomail.WithPort(r.port), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithHELO("worker.test"), gomail.WithTimeout(20 * time.Second)}
	client, err := gomail.NewClient(r.host, append(all, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.DialToSMTPClientWithContext(t.Context())
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return client, session, err
}

func goMailMessage(t *testing.T, to ...string) *gomail.Msg {
	t.Helper()
	m := gomail.NewMsg()
	if err := errors.Join(m.From("vedette@example.com"), m.To(to...)); err != nil {
		t.Fatal(err)
	}
	m.Subject("s")
	m.SetBodyString(gomail.TypeTextPlain, "It is down.\n")
	return m
}

func TestGoMailSendDefects(t *testing.T) {
	t.Parallel()
	const ops, dev = "ops@example.org", "dev@example.org"
	cut := func(m *gomail.Msg) {
		m.SetBodyWriter(gomail.TypeTextPlain, func(io.Writer) (int64, error) { return 0, io.ErrUnexpectedEOF })
	}
	for name, c := range map[string]struct {
		script script
		to     []string
		change func(*gomail.Msg)
		// shows reports whether the defect showed.
		shows func(err error, r *relay) bool
	}{
		"1: a lost connection is not temporary, and hides its cause": {
			script: script{"MAIL": hangUp}, to: []string{ops},
			shows: func(err error, _ *relay) bool {
				failed, ok := errors.AsType[*gomail.SendError](err)
				return ok && !failed.IsTemp() && !errors.Is(err, io.EOF)
			},
		},
		"2: a mail that was taken is called failed": {
			script: script{"RSET": hangUp}, to: []string{ops},
			shows: func(err error, r *relay) bool { return err != nil && len(r.received()) == 1 },
		},
		"3: DATA that was refused leaves the mail open": {
			script: script{"DATA": "554 5.5.0 no"}, to: []string{ops},
			shows: func(err error, r *relay) bool { return err != nil && !slices.Contains(r.commands(), "RSET") },
		},
		"4: a mail that could not be written is ended and taken": {
			script: script{}, to: []string{ops}, change: cut,
			shows: func(err error, r *relay) bool { return err != nil && len(r.received()) == 1 },
		},
		"5: one refused recipient takes the mail from the other": {
			script: script{"RCPT 2": "550 5.1.1 no such user"}, to: []string{ops, dev},
			shows: func(err error, r *relay) bool { return err != nil && len(r.received()) == 0 },
		},
		"9: SMTPUTF8 is asked for in vain": {
			script: script{"EHLO": "250-relay.test\r\n250 SMTPUTF8"}, to: []string{ops},
			shows: func(err error, r *relay) bool { return err == nil && strings.HasSuffix(r.lines()[2], " SMTPUTF8") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := serveScripts(t, nil, c.script)
			client, session, err := ofGoMail(t, relay)
			if err != nil {
				t.Fatal(err)
			}
			m := goMailMessage(t, c.to...)
			if c.change != nil {
				c.change(m)
			}
			err = client.SendWithSMTPClient(session, m)
			_ = session.Quit() // the command that ends an open body
			if !c.shows(err, relay) {
				t.Errorf("got %v, heard %q, %d mails; want the defect", err, relay.lines(), len(relay.received()))
			}
		})
	}
}

func TestGoMailConnectionDefects(t *testing.T) {
	t.Parallel()
	var conn net.Conn
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return conn, err
	}
	stripped := serveScripts(t, nil, script{})
	if _, _, err := ofGoMail(t, stripped, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(dial)); err == nil {
		t.Fatal("got a session without STARTTLS")
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		t.Errorf("8: got %v, want a connection that is still open after the failure", err)
	}
	_ = conn.Close()

	gone := serveScripts(t, nil, script{"NOOP": hangUp})
	_, session, err := ofGoMail(t, gone)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Noop(); err == nil || !session.HasConnection() {
		t.Errorf("10: got %v, connection %t, want one that is believed in after the end", err, session.HasConnection())
	}
}

func TestGoMailMessageDefects(t *testing.T) {
	t.Parallel()
	m := goMailMessage(t, "ops@example.org")
	m.SetBoundary("chosen")
	m.AddAlternativeString(gomail.TypeTextHTML, "<p>It is down.</p>\n")
	m.AttachFile("/nowhere/report.csv")
	if len(m.GetAttachments()) != 0 {
		t.Error("6: got an attachment of a file that is not there")
	}
	if err := m.AttachReader("data.bin", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	m.SetGenHeader("X-Note: a\r\nBcc", "x@example.org")
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "boundary=chosen"); got != 2 {
		t.Errorf("11: got %d levels of one boundary, want 2", got)
	}
	if !strings.Contains(b.String(), "\r\nBcc: x@example.org\r\n") {
		t.Error("11: got no header out of another one's name")
	}
}
