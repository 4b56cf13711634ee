package mail

import (
	"fmt"
	"io"
	"strings"
)

// command is a command in a mail transaction.
type command struct {
	stage Stage
	line  string
}

// envelope returns the commands before the body. SMTPUTF8 (RFC 6531) is
// requested only for an address that is not ASCII, and 8BITMIME (RFC 6152)
// never, since bodies are encoded. SIZE (RFC 1870) is declared where the relay
// offers it, so that a mail that is too large is refused before it is sent.
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

// sendEnvelope sends the envelope. It returns the writer for the body, or nil
// and the refusal.
//
// If the relay offers PIPELINING (RFC 2920), all commands are sent at once: a
// mail then takes two round trips instead of four, which doubles a session's
// throughput over a link with 50 ms. The verdict is the same: the first refusal
// decides.
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

// pipelined sends all commands, then receives all replies.
func (s *session) pipelined(commands []command) (body io.WriteCloser, refused Verdict) {
	if err := s.send(commands...); err != nil {
		return nil, classifyClientError(StageMail, err)
	}
	for i, c := range commands {
		v, ok := s.receive(c)
		switch {
		case v.Reply.Code == 0 && !ok: // no more replies follow
			if refused.Class == "" {
				refused = v
			}
			return nil, refused
		case !ok && refused.Class == "":
			refused = v
		case ok && i == len(commands)-1 && refused.Class != "":
			// The relay has refused the sender or the recipient, but waits for a
			// body (RFC 2920, 3.1). An empty one ends the transaction.
			return nil, s.sendEmptyBody(refused)
		}
	}
	if refused.Class != "" {
		return nil, refused
	}
	return s.client.Text.DotWriter(), Verdict{}
}

// sendEmptyBody ends a transaction without content. The verdict remains the
// refusal, unless the session ends too.
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

// send writes commands to the connection at once.
func (s *session) send(commands ...command) error {
	s.setDeadline(s.config.CommandTimeout)
	var lines strings.Builder
	for _, c := range commands {
		lines.WriteString(c.line + "\r\n")
	}
	if _, err := s.client.Text.W.WriteString(lines.String()); err != nil {
		return err
	}
	return s.client.Text.W.Flush()
}

// goAhead is the reply to DATA before the content.
const goAhead = 354

// receive reads the reply to a command and reports whether the transaction may
// go on: with 354 after DATA, with any 2xx otherwise.
func (s *session) receive(c command) (Verdict, bool) {
	s.setDeadline(s.config.CommandTimeout)
	code, text, err := s.client.Text.ReadResponse(0)
	if err != nil {
		return classifyClientError(c.stage, err), false
	}
	if c.stage == StageData && code == goAhead || c.stage != StageData && code/100 == 2 {
		return Verdict{}, true
	}
	return Classify(c.stage, ParseReply(code, text), nil), false
}
