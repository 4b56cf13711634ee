package mail_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// resultOf describes a job's result in a word or two.
func resultOf(err error) string {
	if err == nil {
		return "done"
	}
	if dead, ok := errors.AsType[*job.DeadError](err); ok {
		return "dead " + string(dead.Reason)
	}
	if retry, ok := errors.AsType[*job.RetryError](err); ok {
		return fmt.Sprintf("free %t", retry.Uncounted)
	}
	return "attempt"
}

func TestClassifyReplies(t *testing.T) {
	t.Parallel()
	cases := []struct {
		stages string
		code   int
		text   string
		want   mail.Class
	}{
		{"dot", 250, "2.0.0 queued", mail.ClassDelivered},
		{"dot", 251, "will forward", mail.ClassDelivered},
		{"DATA", 250, "that is no answer to DATA", mail.ClassRelay},
		{"MAIL RCPT DATA body dot", 450, "4.2.0 greylisted", mail.ClassTemporary},
		{"MAIL RCPT DATA body dot", 451, "4.3.0 local error", mail.ClassTemporary},
		{"MAIL RCPT DATA body dot", 452, "4.3.1 disk full", mail.ClassTemporary},
		{"MAIL RCPT DATA body dot", 454, "4.7.0 slow down", mail.ClassTemporary},
		{"MAIL RCPT DATA body dot", 552, "5.2.2 mailbox full", mail.ClassTemporary},
		{"MAIL RCPT DATA body dot", 552, "5.3.4 too large", mail.ClassPermanent},
		{"MAIL RCPT DATA body dot", 550, "5.1.1 no such user", mail.ClassPermanent},
		{"MAIL RCPT DATA body dot", 554, "5.7.1 relaying denied", mail.ClassPermanent},
		{"MAIL RCPT DATA body dot", 500, "what?", mail.ClassPermanent},
		{"connect MAIL RCPT DATA body dot", 421, "4.4.2 good bye", mail.ClassRelay},
		{"connect MAIL RCPT DATA body dot", 503, "5.5.1 bad sequence", mail.ClassRelay},
		{"connect MAIL RCPT DATA body dot", 530, "5.7.0 authenticate", mail.ClassConfig},
		{"connect MAIL RCPT DATA body dot", 534, "5.7.9 too weak", mail.ClassConfig},
		{"connect MAIL RCPT DATA body dot", 535, "5.7.8 wrong", mail.ClassConfig},
		{"connect MAIL RCPT DATA body dot", 538, "5.7.11 encrypt", mail.ClassConfig},
		{"connect", 454, "4.7.0 try later", mail.ClassRelay},
		{"connect", 450, "busy", mail.ClassRelay},
		{"connect", 554, "5.7.1 you are blocked", mail.ClassConfig},
		{"connect", 552, "5.2.2 out of place", mail.ClassConfig},
		{"MAIL RCPT DATA body dot", 999, "nonsense", mail.ClassRelay},
	}
	for _, c := range cases {
		for stage := range strings.FieldsSeq(c.stages) {
			if got := mail.Classify(mail.Stage(stage), mail.ParseReply(c.code, c.text), nil).Class; got != c.want {
				t.Errorf("%d %s at %s: got %s, want %s", c.code, c.text, stage, got, c.want)
			}
		}
	}
}

func TestClassifyErrors(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	untrusted := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	cases := []struct {
		stages string
		err    error
		want   mail.Class
	}{
		{"connect MAIL RCPT DATA body", io.EOF, mail.ClassRelay},
		{"connect MAIL RCPT DATA body", refused, mail.ClassRelay},
		{"connect MAIL RCPT DATA body", &net.DNSError{IsNotFound: true}, mail.ClassRelay},
		{"connect MAIL RCPT DATA body", context.DeadlineExceeded, mail.ClassRelay},
		{"connect MAIL RCPT DATA body", context.Canceled, mail.ClassRelay},
		{"connect MAIL RCPT DATA body", textproto.ProtocolError("short response"), mail.ClassRelay},
		{"dot", io.EOF, mail.ClassUnknown},
		{"dot", context.DeadlineExceeded, mail.ClassUnknown},
		{"dot", textproto.ProtocolError("short response"), mail.ClassUnknown},
		{"connect", fmt.Errorf("shake hands: %w", untrusted), mail.ClassConfig},
		{"connect", alert, mail.ClassConfig},
		{"connect", tls.RecordHeaderError{Msg: "no TLS"}, mail.ClassConfig},
		{"connect", mail.ErrNoAuth, mail.ClassConfig},
		{"connect", mail.ErrCleartext, mail.ClassConfig},
		{"connect", fmt.Errorf("%w: %w", mail.ErrNoPassword, syscall.ENOENT), mail.ClassConfig},
		{"connect", errors.New("target host does not support STARTTLS"), mail.ClassConfig},
	}
	for _, c := range cases {
		for stage := range strings.FieldsSeq(c.stages) {
			if got := mail.Classify(mail.Stage(stage), mail.Reply{}, c.err).Class; got != c.want {
				t.Errorf("%v at %s: got %s, want %s", c.err, stage, got, c.want)
			}
		}
	}
}

func TestJobErrorForEachClass(t *testing.T) {
	t.Parallel()
	cases := []struct {
		class mail.Class
		after time.Duration
		want  string
		wait  time.Duration
	}{
		{mail.ClassDelivered, 0, "done", 0},
		{mail.ClassTemporary, 0, "attempt", 0},
		{mail.ClassUnknown, 0, "attempt", 0},
		{mail.ClassPermanent, 0, "dead permanent", 0},
		{mail.ClassRelay, 0, "free true", time.Second},
		{mail.ClassRelay, 20 * time.Second, "free true", 20 * time.Second},
		{mail.ClassConfig, 0, "free true", time.Minute},
		{mail.ClassConfig, 10 * time.Minute, "free true", 10 * time.Minute},
	}
	for _, c := range cases {
		failed := &mail.Error{Verdict: mail.Verdict{Class: c.class, Stage: mail.StageRcpt, Err: io.EOF}, RetryAfter: c.after}
		got := mail.JobError(fmt.Errorf("wrapped: %w", failed))
		if resultOf(got) != c.want {
			t.Errorf("%s: got %q, want %q", c.class, resultOf(got), c.want)
		}
		if retry, ok := errors.AsType[*job.RetryError](got); ok && retry.After != c.wait {
			t.Errorf("%s: got a wait of %s, want %s", c.class, retry.After, c.wait)
		}
	}
	if other := errors.New("something else"); !errors.Is(mail.JobError(other), other) || resultOf(mail.JobError(other)) != "attempt" {
		t.Errorf("unknown error: got %v, want it back", mail.JobError(other))
	}
	if mail.JobError(nil) != nil {
		t.Error("no error: got one")
	}
}

func TestReplyTextIsOneLine(t *testing.T) {
	t.Parallel()
	got := mail.ParseReply(550, "5.1.1 no such\nuser\x1b[31m here")
	if got.Enhanced != "5.1.1" || got.String() != "550 5.1.1 no such user [31m here" {
		t.Errorf("got %q with %q", got, got.Enhanced)
	}
	for _, text := range []string{"4.1.1 of another class", "5.1 short", "5.1.1111 long", "5.a.1 x", "", "5..1"} {
		if got := mail.ParseReply(550, text); got.Enhanced != "" {
			t.Errorf("%q: got enhanced code %q, want none", text, got.Enhanced)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add(550, "5.1.1 no such user")
	f.Add(250, "\xff\n2.0.0")
	f.Fuzz(func(t *testing.T, code int, text string) {
		got := mail.ParseReply(code, text)
		if !utf8.ValidString(got.Text) || strings.ContainsAny(got.Text, "\r\n\x00") || len(got.Text) > 3*500 {
			t.Errorf("got %q of %q", got.Text, text)
		}
		if got.Enhanced != "" && !strings.HasPrefix(got.Text, got.Enhanced) {
			t.Errorf("got enhanced code %q of %q", got.Enhanced, text)
		}
	})
}
