package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// benchSinkCommand is a relay that takes every mail and keeps none.
func benchSinkCommand() *cobra.Command {
	var rtt time.Duration
	cmd := &cobra.Command{
		Use: "sink", Short: "The relay of a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := untilOrphaned(cmd.Context())
			defer cancel()
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("listen for mails: %w", err)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), listener.Addr()); err != nil {
				return err
			}
			stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
			defer stop()
			for {
				conn, err := listener.Accept()
				if errors.Is(err, net.ErrClosed) {
					return nil
				}
				if err != nil {
					return err
				}
				go func() {
					defer conn.Close()
					_ = (&sinkSession{conn: conn, in: bufio.NewReader(conn), rtt: rtt}).talk() // the client has gone
				}()
			}
		},
	}
	cmd.Flags().DurationVar(&rtt, "rtt", 0, "how long each answer takes")
	return cmd
}

// sinkSession answers a client. Answers to what came together leave together,
// after one round trip, as over a long way.
type sinkSession struct {
	conn net.Conn
	in   *bufio.Reader
	out  bytes.Buffer
	rtt  time.Duration
	took func(id, subject string) // told of each mail, if it is set
}

func (s *sinkSession) talk() error {
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
func (s *sinkSession) flush() error {
	if s.out.Len() == 0 || s.in.Buffered() > 0 {
		return nil
	}
	if s.rtt > 0 {
		<-time.After(s.rtt)
	}
	_, err := s.out.WriteTo(s.conn)
	return err
}

// body reads a mail to its end.
func (s *sinkSession) body() error {
	if err := s.flush(); err != nil {
		return err
	}
	id, subject := "", ""
	for {
		line, err := s.in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			if s.took != nil {
				s.took(id, subject)
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
