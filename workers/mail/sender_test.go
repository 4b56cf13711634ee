package mail_test

import (
	"fmt"
	"strings"
	"testing"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

func TestErrorNamesWrongSettings(t *testing.T) {
	t.Parallel()
	good := mail.Relay{Host: "relay.example.org"}
	cases := []struct {
		name   string
		config mail.Config
		says   string
	}{
		{"no relay", mail.Config{From: "a@example.org"}, "relays"},
		{"no sender", mail.Config{Relays: []mail.Relay{good}}, "from"},
		{"no host", mail.Config{From: "a@example.org", Relays: []mail.Relay{{}}}, "relay 1: host"},
		{"a socket", mail.Config{From: "a@example.org", Relays: []mail.Relay{{Host: "unix:///run/x"}}}, "host"},
		{"a port too high", mail.Config{From: "a@example.org", Relays: []mail.Relay{{Host: "h", Port: 70000}}}, "port"},
		{"an unknown mode", mail.Config{From: "a@example.org", Relays: []mail.Relay{{Host: "h", TLS: "maybe"}}}, "tls"},
		{"a password alone", mail.Config{From: "a@example.org", Relays: []mail.Relay{{Host: "h", Password: "s3cret"}}}, "username"},
		{"a password in clear text", mail.Config{From: "a@example.org", Relays: []mail.Relay{{Host: "h", TLS: "none", Username: "me", Password: "s3cret"}}}, "clear text"},
		{"a command in hello", mail.Config{From: "a@example.org", Relays: []mail.Relay{good}, Hello: "a\r\nMAIL"}, "hello"},
		{"a negative limit", mail.Config{From: "a@example.org", Relays: []mail.Relay{good}, Sessions: -1}, "negative"},
	}
	for _, c := range cases {
		_, err := mail.New(c.config)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.says)
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		shown := fmt.Sprintf(format, mail.Config{Relays: []mail.Relay{{Host: "h", Port: 25, Password: "s3cret"}}})
		if strings.Contains(shown, "s3cret") {
			t.Errorf("%s shows the password: %s", format, shown)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	h := startServer(b, &smtpServer{}, nil, false)
	s := newSender(b, mail.Config{Relays: []mail.Relay{h.plain()}, Sessions: 8, PerSession: 1 << 30})
	m := job.Mail{ID: "m1", To: "ops@example.org", Subject: "[DOWN] website", Text: strings.Repeat("It is down.\n", 80), HTML: strings.Repeat("<p>It is down.</p>\n", 60)}
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Send(b.Context(), m, stored); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
}

func BenchmarkBuild(b *testing.B) {
	m := order("m1")
	for b.Loop() {
		if _, err := mail.Build(m, defaults); err != nil {
			b.Fatal(err)
		}
	}
}
