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
	timings timings
	// carried counts the mails.
	carried int
	// expiry ends a session that was idle too long. The pool's lock guards it.
	expiry *time.Timer
}

// timings are the limits of a session.
type timings struct {
	command, dot time.Duration
}

const (
	// tidyTimeout is what RSET and QUIT may take: nothing depends on them.
	tidyTimeout = 2 * time.Second
	// lastWords is how long a relay may still answer the final dot after the
	// context's end: a moment spent here may save a duplicate. A pool calls a
	// job stuck that goes on for more than half its grace (2.5 s).
	lastWords = 1500 * time.Millisecond
	// chunk is how much of a body is written under one deadline.
	chunk = 64 << 10
)

// deliver carries one mail, and says whether the session can carry another.
// Until the final dot is sent, the end of ctx closes the connection; after it
// the relay has lastWords to answer.
func (s *session) deliver(ctx context.Context, m Message) (v Verdict, keep bool) {
	stop := context.AfterFunc(ctx, s.drop)
	defer stop()
	s.carried++
	body, v := s.begin(m)
	if body == nil {
		keep = v.keepsSession() && s.reset() && stop()
		return interrupted(ctx, v), keep
	}
	if v, ok := s.write(body, m.Bytes); !ok {
		return interrupted(ctx, v), false
	}
	if !stop() {
		return Judge(StageBody, Reply{}, context.Cause(ctx)), false
	}
	return s.finish(ctx, body)
}

// write sends the content up to the final dot, and makes sure that it has left
// us: then a failure here says that the relay cannot have taken the mail.
func (s *session) write(body io.Writer, content []byte) (Verdict, bool) {
	for part := range slices.Chunk(content, chunk) {
		s.extend(s.timings.command)
		if _, err := body.Write(part); err != nil {
			return s.hangUp(err), false
		}
	}
	if err := s.client.Text.W.Flush(); err != nil {
		return s.hangUp(err), false
	}
	return Verdict{}, true
}

// hangUp ends a session whose relay would not read on. If it said why, such as
// 552 for too large a mail, that decides.
func (s *session) hangUp(err error) Verdict {
	defer s.drop()
	s.extend(tidyTimeout)
	if code, text, _ := s.client.Text.ReadResponse(0); code != 0 { // the error that counts is the one we have
		return Judge(StageBody, ParseReply(code, text), nil)
	}
	return Judge(StageBody, Reply{}, err)
}

// finish sends the final dot and hears the relay's answer.
func (s *session) finish(ctx context.Context, body io.Closer) (v Verdict, keep bool) {
	s.extend(s.timings.dot)
	stop := context.AfterFunc(ctx, func() { s.extend(lastWords) })
	if err := body.Close(); err != nil {
		v = judgeError(StageDot, err)
	} else if code, text, err := s.client.Text.ReadResponse(0); err != nil {
		v = judgeError(StageDot, err)
	} else {
		v = Judge(StageDot, ParseReply(code, text), nil)
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
	s.extend(tidyTimeout)
	return s.client.Reset() == nil
}

// quit takes leave and closes the connection.
func (s *session) quit() {
	s.extend(tidyTimeout)
	_ = s.client.Quit() // nothing depends on it
	s.drop()
}

// leave says that we go, and does not wait for the reply.
func (s *session) leave() {
	s.extend(tidyTimeout)
	_ = s.client.Text.PrintfLine("QUIT") // nothing depends on it
	s.drop()
}

// extend gives what comes next its time. An error means that the connection is
// gone, which what comes next will find out.
func (s *session) extend(d time.Duration) { _ = s.conn.SetDeadline(time.Now().Add(d)) }

// drop closes the connection without a word.
func (s *session) drop() {
	if s.conn != nil {
		_ = s.conn.Close() // it is lost either way
	}
}
