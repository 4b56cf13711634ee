// Package sink is an SMTP server that takes every mail and keeps none.
package sink

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strings"
	"time"
)

// Session answers a client. Answers to what came together leave together,
// after one round trip, as over a long way.
type Session struct {
	Conn net.Conn
	In   *bufio.Reader
	out  bytes.Buffer
	RTT  time.Duration
	Took func(id, subject string) // told of each mail, if it is set
}

// Talk answers the client until it has gone.
func (s *Session) Talk() error {
	s.out.WriteString("220 sink ESMTP\r\n")
	for {
		if err := s.flush(); err != nil {
			return err
		}
		line, err := s.In.ReadString('\n')
		if err != nil {
			return err
		}
		verb, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			s.out.WriteString("250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 33554432\r\n")
		case "DATA":
			s.out.WriteString("354 go ahead\r\n")
			if err := s.body(); err != nil {
				return err
			}
			s.out.WriteString("250 2.0.0 taken\r\n")
		case "QUIT":
			s.out.WriteString("221 bye\r\n")
			return s.flush()
		default:
			s.out.WriteString("250 2.0.0 ok\r\n")
		}
	}
}

// flush sends the answers, when there is nothing more to answer.
func (s *Session) flush() error {
	if s.out.Len() == 0 || s.In.Buffered() > 0 {
		return nil
	}
	if s.RTT > 0 {
		<-time.After(s.RTT)
	}
	_, err := s.out.WriteTo(s.Conn)
	return err
}

// body reads a mail to its end.
func (s *Session) body() error {
	if err := s.flush(); err != nil {
		return err
	}
	id, subject := "", ""
	for {
		line, err := s.In.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			if s.Took != nil {
				s.Took(id, subject)
			}
			return nil
		}
		if value, ok := bytes.CutPrefix(line, []byte("Message-ID:")); ok && id == "" {
			id = string(bytes.TrimSpace(value))
		}
		if value, ok := bytes.CutPrefix(line, []byte("Subject:")); ok && subject == "" {
			subject = string(bytes.TrimSpace(value))
		}
	}
}
