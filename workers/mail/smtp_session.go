package mail

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// session is one SMTP connection, logged in, that carries one mail after
// another. It belongs to one goroutine at a time.
//
// go-mail dials, starts TLS and logs in; this package conducts the mail
// transactions. go-mail's own way of sending reports failures after the
// acceptance as failures of the mail, and leaves the transaction open when DATA
// is refused.
type session struct {
	client *smtp.Client
	// conn is the connection below TLS. Closing it ends a pending command; the
	// client's own Close would wait for the command.
	conn   net.Conn
	config *Config
	// mails counts the mails.
	mails int
	// expiry ends an idle session. It is guarded by the pool's lock.
	expiry *time.Timer
}

const (
	// cleanupTimeout bounds RSET and QUIT, on which no mail depends.
	cleanupTimeout = 2 * time.Second
	// dotGrace is how long the relay may still answer the final dot after ctx
	// has ended, which may prevent a duplicate. It must stay below half the
	// grace (2.5 s) after which a pool reports a job as stuck.
	dotGrace = 1500 * time.Millisecond
	// connectTimeout bounds the TCP connection, whose packets are repeated after 1,
	// 3 and 7 s.
	connectTimeout = 10 * time.Second
	// chunkSize is how much content is written under one deadline.
	chunkSize = 64 << 10
)

// deliver sends one mail and reports whether the session can carry another.
// When ctx ends before the final dot, the connection is closed; afterwards the
// relay has dotGrace to answer.
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

// sendBody sends the content without the final dot and flushes it: if that
// fails, the relay cannot have accepted the mail.
func (s *session) sendBody(body io.Writer, content []byte) (Verdict, bool) {
	for part := range slices.Chunk(content, chunkSize) {
		s.setDeadline(s.config.CommandTimeout)
		if _, err := body.Write(part); err != nil {
			return s.bodyRefused(err), false
		}
	}
	if err := s.client.Text.W.Flush(); err != nil {
		return s.bodyRefused(err), false
	}
	return Verdict{}, true
}

// bodyRefused ends a session whose relay has stopped reading. A reply that
// explains it decides, such as 552 for a mail that is too large.
func (s *session) bodyRefused(err error) Verdict {
	defer s.abort()
	s.setDeadline(cleanupTimeout)
	if code, text, _ := s.client.Text.ReadResponse(0); code != 0 { // the write error matters more than this one
		return Classify(StageBody, ParseReply(code, text), nil)
	}
	return Classify(StageBody, Reply{}, err)
}

// endBody sends the final dot and reads the reply.
func (s *session) endBody(ctx context.Context, body io.Closer) (v Verdict, keep bool) {
	s.setDeadline(s.config.DotTimeout)
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

// interrupted replaces the error in a verdict by the cause of the context's
// end, if the context has ended.
func interrupted(ctx context.Context, v Verdict) Verdict {
	if ctx.Err() != nil && v.Reply.Code == 0 {
		v.Err = context.Cause(ctx)
	}
	return v
}

// tryMail begins a transaction without a mail, for a relay that has refused one in
// this step. The verdict is empty if the relay accepts it.
func (s *session) tryMail(ctx context.Context) Verdict {
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	from, err := parseAddress("from", s.config.From)
	if err != nil || !isASCII(from.Address) { // takes SMTPUTF8, and so a real mail
		return Verdict{}
	}
	c := command{StageMail, "MAIL FROM:<" + envelope(from) + ">"}
	if err := s.send(c); err != nil {
		return classifyClientError(c.stage, err)
	}
	v, ok := s.receive(c)
	if ok && !s.reset() {
		return notTried(io.ErrUnexpectedEOF)
	}
	return v
}

// reset ends a refused transaction. Otherwise the next mail would get 503.
func (s *session) reset() bool {
	s.setDeadline(cleanupTimeout)
	return s.client.Reset() == nil
}

// quit sends QUIT, waits for the reply and closes the connection.
func (s *session) quit() {
	s.setDeadline(cleanupTimeout)
	_ = s.client.Quit() // no mail depends on it
	s.abort()
}

// quitAsync sends QUIT without waiting for the reply.
func (s *session) quitAsync() {
	s.setDeadline(cleanupTimeout)
	_ = s.client.Text.PrintfLine("QUIT") // no mail depends on it
	s.abort()
}

// setDeadline bounds the next step. If the connection is gone, that step fails.
func (s *session) setDeadline(d time.Duration) { _ = s.conn.SetDeadline(time.Now().Add(d)) }

// abort closes the connection without QUIT.
func (s *session) abort() {
	if s.conn != nil {
		_ = s.conn.Close() // it is lost either way
	}
}

// openSession dials and goes through EHLO, STARTTLS and AUTH as the relay's
// settings require. The dial may take as long as one command, and so may all
// that follows. No error contains the password.
func openSession(ctx context.Context, r Relay, config *Config) (*session, error) {
	r, err := r.withPassword()
	if err != nil {
		return nil, err
	}
	s := &session{config: config}
	stop := func() bool { return true }
	dial := func(dialCtx context.Context, network, address string) (net.Conn, error) {
		raw, err := (&net.Dialer{Timeout: min(config.CommandTimeout, connectTimeout)}).DialContext(dialCtx, network, address)
		if err != nil {
			return nil, err
		}
		s.conn = raw
		// go-mail obeys the context only while it dials. Afterwards closing the
		// connection ends the dialogue.
		stop = context.AfterFunc(ctx, s.abort)
		return r.implicitTLS(dialCtx, raw)
	}
	client, err := gomail.NewClient(r.Host, r.options(config, dial)...)
	if err != nil {
		return nil, fmt.Errorf("set up session: %w", redactPassword(err, r))
	}
	s.client, err = client.DialToSMTPClientWithContext(ctx)
	if interrupted := !stop(); interrupted && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		s.abort() // go-mail leaves the connection open when a step after the dial fails
		return nil, redactPassword(err, r)
	}
	return s, nil
}

// implicitTLS starts TLS at once if the relay's settings ask for it.
func (r Relay) implicitTLS(ctx context.Context, raw net.Conn) (net.Conn, error) {
	if r.TLS != TLSImplicit {
		return raw, nil
	}
	encrypted := tls.Client(raw, r.tlsConfig())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return encrypted, nil
}

func (r Relay) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: r.Host, RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12}
}

// options returns the relay's settings for go-mail. Each dial needs its own
// client, because a client cannot log in twice.
func (r Relay) options(config *Config, dial gomail.DialContextFunc) []gomail.Option {
	policy := gomail.NoTLS
	if r.TLS == TLSStartTLS {
		policy = gomail.TLSMandatory
	}
	options := []gomail.Option{
		gomail.WithPort(r.Port), gomail.WithHELO(config.Hello), gomail.WithTimeout(config.CommandTimeout),
		gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(r.tlsConfig()), gomail.WithDialContextFunc(dial),
	}
	if r.Username != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&authenticator{relay: r}))
	}
	return options
}
