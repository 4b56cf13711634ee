package mail

import (
	"context"
	"io"
	"net"
	"slices"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// session is one SMTP connection, logged in, that carries one mail after the
// other. It belongs to one goroutine at a time.
//
// go-mail dials, begins TLS and logs in; the dialogue of the mails is ours. Its
// own way of sending reports what fails after the acceptance as a failure, and
// leaves a transaction open when DATA is refused.
type session struct {
	client *smtp.Client
	// conn lies under TLS. Closing it ends a command that waits, which the
	// client's own Close cannot: it waits for the command.
	conn    net.Conn
	timeouts timeouts
	// mails counts the mails.
	mails int
	// expiry ends a session that was idle too long. The pool's lock guards it.
	expiry *time.Timer
}

// timeouts are the limits of a session.
type timeouts struct {
	command, dot time.Duration
}

const (
	// cleanupTimeout is what RSET and QUIT may take: nothing depends on them.
	cleanupTimeout = 2 * time.Second
	// dotGrace is how long a relay may still answer the final dot after the
	// context's end: a moment spent here may save a duplicate. A pool calls a
	// job stuck that goes on for more than half its grace (2.5 s).
	dotGrace = 1500 * time.Millisecond
	// chunkSize is how much of a body is written under one deadline.
	chunkSize = 64 << 10
)

// deliver carries one mail, and says whether the session can carry another.
// Until the final dot is sent, the end of ctx closes the connection; after it
// the relay has lastWords to answer.
func (s *session) deliver(ctx context.Context, m Message) (v Verdict, keep bool) {
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	s.mails++
	body, v := s.sendEnvelope(m)
	if body == nil {
		keep = v.keepsSession() && s.reset() && stop()
		return interrupted(ctx, v), keep
	}
	if v, ok := s.sendBody(body, m.Bytes); !ok {
		return interrupted(ctx, v), false
	}
	if !stop() {
		return Classify(StageBody, Reply{}, context.Cause(ctx)), false
	}
	return s.endBody(ctx, body)
}

// sendBody sends the content up to the final dot, and makes sure that it has left
// us: then a failure here says that the relay cannot have taken the mail.
func (s *session) sendBody(body io.Writer, content []byte) (Verdict, bool) {
	for part := range slices.Chunk(content, chunkSize) {
		s.setDeadline(s.timeouts.command)
		if _, err := body.Write(part); err != nil {
			return s.bodyRefused(err), false
		}
	}
	if err := s.client.Text.W.Flush(); err != nil {
		return s.bodyRefused(err), false
	}
	return Verdict{}, true
}

// bodyRefused ends a session whose relay would not read on. If it said why, such as
// 552 for too large a mail, that decides.
func (s *session) bodyRefused(err error) Verdict {
	defer s.abort()
	s.setDeadline(cleanupTimeout)
	if code, text, _ := s.client.Text.ReadResponse(0); code != 0 { // the error that counts is the one we have
		return Classify(StageBody, ParseReply(code, text), nil)
	}
	return Classify(StageBody, Reply{}, err)
}

// endBody sends the final dot and hears the relay's answer.
func (s *session) endBody(ctx context.Context, body io.Closer) (v Verdict, keep bool) {
	s.setDeadline(s.timeouts.dot)
	stop := context.AfterFunc(ctx, func() { s.setDeadline(dotGrace) })
	if err := body.Close(); err != nil {
		v = classifyClientError(StageDot, err)
	} else if code, text, err := s.client.Text.ReadResponse(0); err != nil {
		v = classifyClientError(StageDot, err)
	} else {
		v = Classify(StageDot, ParseReply(code, text), nil)
	}
	return v, stop() && v.keepsSession()
}

// interrupted names the end of the context as what broke, where it was that.
func interrupted(ctx context.Context, v Verdict) Verdict {
	if ctx.Err() != nil && v.Reply.Code == 0 {
		v.Err = context.Cause(ctx)
	}
	return v
}

// reset ends a transaction that was refused, lest the next mail gets the 503
// that this one deserves.
func (s *session) reset() bool {
	s.setDeadline(cleanupTimeout)
	return s.client.Reset() == nil
}

// quit takes leave and closes the connection.
func (s *session) quit() {
	s.setDeadline(cleanupTimeout)
	_ = s.client.Quit() // nothing depends on it
	s.abort()
}

// quitAsync says that we go, and does not wait for the reply.
func (s *session) quitAsync() {
	s.setDeadline(cleanupTimeout)
	_ = s.client.Text.PrintfLine("QUIT") // nothing depends on it
	s.abort()
}

// setDeadline gives what comes next its time. An error means that the connection is
// gone, which what comes next will find out.
func (s *session) setDeadline(d time.Duration) { _ = s.conn.SetDeadline(time.Now().Add(d)) }

// abort closes the connection without a word.
func (s *session) abort() {
	if s.conn != nil {
		_ = s.conn.Close() // it is lost either way
	}
}
