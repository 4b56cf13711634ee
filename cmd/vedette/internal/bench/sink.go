package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/sink"
)

// benchSinkCommand is a relay that takes every mail and keeps none.
func benchSinkCommand() *cobra.Command {
	var rtt time.Duration
	cmd := &cobra.Command{
		Use: "sink", Short: "The relay of a benchmark", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := cli.StdinContext(cmd.Context())
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
					_ = (&sink.Session{Conn: conn, In: bufio.NewReader(conn), RTT: rtt}).Talk() // the client has gone
				}()
			}
		},
	}
	cmd.Flags().DurationVar(&rtt, "rtt", 0, "how long each answer takes")
	return cmd
}
