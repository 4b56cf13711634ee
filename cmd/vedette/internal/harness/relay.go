package harness

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strings"
	"time"
)

// Relay is an SMTP server that accepts every mail and stores none.
type Relay struct {
	RTT   time.Duration            // delay before each answer, to simulate a distant relay
	Taken func(id, subject string) // called for each mail if set
	// Message, if set, is called with each whole mail before it is accepted.
	Message func(to []string, mail []byte)
	// Refusal, if set, returns the answer to a recipient, such as "451 4.3.0 busy";
	// an empty one accepts.
	Refusal func() string
}

// Serve answers a client until the client closes the connection.
func (r Relay) Serve(conn net.Conn) {
	s := &session{Relay: r, conn: conn, in: bufio.NewReader(conn)}
	_ = s.talk() // it fails when the client has gone
}

// session answers one client. The answers to pipelined commands are sent
// together, after one round trip.
type session struct {
	Relay

	conn net.Conn
	in   *bufio.Reader
	out  bytes.Buffer
	to   []string // recipients of the mail
}

func (s *session) talk() error {
	s.out.WriteString("220 sink ESMTP\r\n")
	for {
		if err := s.flush(); err != nil {
			return err
		}
		line, err := s.in.ReadString('\n')
		if err != nil {
			return err
		}
		verb, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			s.out.WriteString("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 33554432\r\n")
		case "RCPT":
			s.recipient(line)
		case "MAIL", "RSET":
			s.to = nil
			s.out.WriteString("250 2.0.0 ok\r\n")
		case "DATA":
			if len(s.to) == 0 {
				s.out.WriteString("554 5.5.1 no valid recipients\r\n")
				continue
			}
			s.out.WriteString("354 go ahead\r\n")
			if err := s.body(); err != nil {
				return err
			}
			s.out.WriteString("250 2.0.0 accepted\r\n")
		case "QUIT":
			s.out.WriteString("221 bye\r\n")
			return s.flush()
		default:
			s.out.WriteString("250 2.0.0 ok\r\n")
		}
	}
}

// recipient answers a recipient.
func (s *session) recipient(line string) {
	if s.Refusal != nil {
		if answer := s.Refusal(); answer != "" {
			s.out.WriteString(answer + "\r\n")
			return
		}
	}
	_, address, _ := strings.Cut(line, "<")
	address, _, _ = strings.Cut(address, ">")
	s.to = append(s.to, address)
	s.out.WriteString("250 2.0.0 ok\r\n")
}

// flush sends the answers unless more commands wait in the buffer.
func (s *session) flush() error {
	if s.out.Len() == 0 || s.in.Buffered() > 0 {
		return nil
	}
	if s.RTT > 0 {
		<-time.After(s.RTT)
	}
	_, err := s.out.WriteTo(s.conn)
	return err
}

// body reads a mail.
func (s *session) body() error {
	if err := s.flush(); err != nil {
		return err
	}
	id, subject := "", ""
	var mail bytes.Buffer
	to := s.to
	s.to = nil
	for {
		line, err := s.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			if s.Message != nil {
				s.Message(to, mail.Bytes())
			}
			if s.Taken != nil {
				s.Taken(id, subject)
			}
			return nil
		}
		if s.Message != nil {
			mail.Write(bytes.TrimPrefix(line, []byte(".")))
		}
		if value, ok := bytes.CutPrefix(line, []byte("Message-ID:")); ok && id == "" {
			id = string(bytes.TrimSpace(value))
		}
		if value, ok := bytes.CutPrefix(line, []byte("Subject:")); ok && subject == "" {
			subject = string(bytes.TrimSpace(value))
		}
	}
}
