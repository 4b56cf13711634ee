package mail

import (
	"fmt"
	"io"
	"strings"
)

// command is a command of a mail transaction, and the reply that lets it go on:
// any of 2xx, or 354 for DATA.
type command struct {
	stage Stage
	line  string
}

// envelope are the commands before the body. Extensions are asked for only
// where they are needed: SMTPUTF8 (RFC 6531) for an address that is not ASCII,
// 8BITMIME (RFC 6152) never, since bodies are encoded. SIZE (RFC 1870) is told
// wherever it is offered: a mail that is too large is refused before it is sent.
func (s *session) envelope(m Message) []command {
	from := "MAIL FROM:<" + m.From + ">"
	if offered, _ := s.client.Extension("SIZE"); offered {
		from += fmt.Sprintf(" SIZE=%d", len(m.Bytes))
	}
	if m.UTF8() {
		from += " SMTPUTF8"
	}
	return []command{{StageMail, from}, {StageRcpt, "RCPT TO:<" + m.To + ">"}, {StageData, "DATA"}}
}

// sendEnvelope speaks the envelope. It returns the writer of the body, or nil and why
// there is none.
//
// Where the relay takes it (PIPELINING, RFC 2920) all commands go out at once,
// which makes two round trips of a mail instead of four: over 50 ms that is
// twice the mails of a session. The replies are the same, and so is the verdict:
// that of the first refusal.
func (s *session) sendEnvelope(m Message) (body io.WriteCloser, refused Verdict) {
	if offered, _ := s.client.Extension("SMTPUTF8"); m.UTF8() && !offered {
		return nil, Classify(StageMail, ParseReply(553, "5.6.7 address is not ASCII and the relay does not offer SMTPUTF8"), nil) // RFC 6531, 3.5
	}
	commands := s.envelope(m)
	if offered, _ := s.client.Extension("PIPELINING"); offered {
		return s.pipelined(commands)
	}
	for _, c := range commands {
		if err := s.send(c); err != nil {
			return nil, classifyClientError(c.stage, err)
		}
		if v, ok := s.receive(c); !ok {
			return nil, v
		}
	}
	return s.client.Text.DotWriter(), Verdict{}
}

// pipelined says all commands, then hears all replies.
func (s *session) pipelined(commands []command) (body io.WriteCloser, refused Verdict) {
	if err := s.send(commands...); err != nil {
		return nil, classifyClientError(StageMail, err)
	}
	for i, c := range commands {
		v, ok := s.receive(c)
		switch {
		case v.Reply.Code == 0 && !ok: // there is nothing more to hear
			if refused.Class == "" {
				refused = v
			}
			return nil, refused
		case !ok && refused.Class == "":
			refused = v
		case ok && i == len(commands)-1 && refused.Class != "":
			// It refused the sender or the recipient and yet waits for a body
			// (RFC 2920, 3.1): it gets an empty one, for nobody.
			return nil, s.sendEmptyBody(refused)
		}
	}
	if refused.Class != "" {
		return nil, refused
	}
	return s.client.Text.DotWriter(), Verdict{}
}

// sendEmptyBody ends a body that must not be sent. The verdict stays that of the
// refusal, unless the session ends with it.
func (s *session) sendEmptyBody(refused Verdict) Verdict {
	if err := s.send(command{StageDot, "."}); err != nil {
		return classifyClientError(StageData, err)
	}
	if code, text, err := s.client.Text.ReadResponse(0); err != nil {
		return classifyClientError(StageData, err)
	} else if code == 421 { //nolint:mnd // RFC 5321, 3.8: it closes the connection
		return Classify(StageData, ParseReply(code, text), nil)
	}
	return refused
}

// send sends commands in one write.
func (s *session) send(commands ...command) error {
	s.setDeadline(s.timeouts.command)
	var lines strings.Builder
	for _, c := range commands {
		lines.WriteString(c.line + "\r\n")
	}
	if _, err := s.client.Text.W.WriteString(lines.String()); err != nil {
		return err
	}
	return s.client.Text.W.Flush()
}

// goAhead is the reply to DATA that lets the body come.
const goAhead = 354

// receive reads the reply to a command, and tells whether it lets the mail go on.
func (s *session) receive(c command) (Verdict, bool) {
	s.setDeadline(s.timeouts.command)
	code, text, err := s.client.Text.ReadResponse(0)
	if err != nil {
		return classifyClientError(c.stage, err), false
	}
	if c.stage == StageData && code == goAhead || c.stage != StageData && code/100 == 2 {
		return Verdict{}, true
	}
	return Classify(c.stage, ParseReply(code, text), nil), false
}
