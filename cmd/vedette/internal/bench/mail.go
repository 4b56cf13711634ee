package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/workers"
)

// mailScenario is `vedette bench mail`, for one number of sessions.
type mailScenario struct {
	mails, sessions int
	limit           time.Duration
}

func mailCommand() *cobra.Command {
	var s mailScenario
	var sessions []int
	var rtts []time.Duration
	cmd := &cobra.Command{
		Use:   "mail",
		Short: "Compare mails per second with other ways to send",
		Long: `Sends 2 KB mails to a relay on loopback, in a separate process,
which answers after a round trip. It prints mails per second and the CPU time of
this process for four ways: jobs in JetStream, as Vedette sends; a bare loop over
its sessions, without jobs; go-mail with one session, one mail after the other,
as a mailer process does; and go-mail with a connection for each mail. A way that
does not finish in time is measured as far as it came. As by default, two jobs
share a session: one mail is sent while another's record is written.`,
		Example: `  vedette bench mail --rtt 0s,50ms,200ms
  vedette bench mail --rtt 50ms --sessions 4,16,64,256`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			limits := append(numbers("--sessions", sessions, workers.MaxConcurrency), harness.AtLeastOne("--mails", s.mails),
				harness.Limit{Flag: "--limit", Found: s.limit, Holds: s.limit > 0, Expected: "more than 0s"})
			if err := harness.CheckFlags(cmd, limits...); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			cli.Writef(out, "mails of 2 KB, %d processors; the relay is in another process\n", processors())
			cli.Writef(out, "%-10s  %8s  %-24s  %14s  %17s  %16s\n", "round trip", "sessions", "by", "mails a second", "CPU-s per 1,000", "of the bare loop")
			for _, rtt := range rtts {
				if err := s.run(cmd.Context(), out, rtt, sessions); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&s.mails, "mails", 20_000, "most mails each way")
	cmd.Flags().IntSliceVar(&sessions, "sessions", []int{16}, "numbers of sessions or connections")
	cmd.Flags().DurationVar(&s.limit, "limit", 10*time.Second, "most time each way")
	cmd.Flags().DurationSliceVar(&rtts, "rtt", []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond}, "round trips to the relay")
	return cmd
}

func (s mailScenario) run(ctx context.Context, out io.Writer, rtt time.Duration, sessions []int) error {
	var relay string
	server, err := startChild(&relay, "relay", "--rtt", rtt.String())
	if err != nil {
		return err
	}
	defer server.Stop()
	for _, s.sessions = range sessions {
		if err := s.compare(ctx, out, rtt, relay); err != nil {
			return err
		}
	}
	return nil
}

// send sends one mail.
type send func(ctx context.Context, i int) error

// way is a way to send mails. It prepares what it needs, and sends within timed.
type way struct {
	name string
	run  func(ctx context.Context, relay string, timed timer) error
}

// timer measures a function that sends all mails, or as many as it can before
// its context ends, and returns their number.
type timer func(func(context.Context) (int64, error)) error

func (s mailScenario) compare(ctx context.Context, out io.Writer, rtt time.Duration, relay string) error {
	bare := 0.0
	for _, w := range []way{
		{"bare loop", s.bare}, {"vedette, from JetStream", s.vedette}, {"go-mail, one session", s.oneSession}, {"go-mail, dial for each", s.dialEach},
	} {
		var sent int64
		var used pace
		err := w.run(ctx, relay, func(sendAll func(context.Context) (int64, error)) error {
			limited, cancel := context.WithTimeout(ctx, s.limit)
			defer cancel()
			runtime.GC() // each way pays for its own garbage
			var err error
			used, err = measure(func() (err error) { sent, err = sendAll(limited); return err })
			return err
		})
		if err != nil {
			return fmt.Errorf("send mails by %s: %w", w.name, err)
		}
		speed := used.rate(int(sent))
		if bare == 0 {
			bare = speed
		}
		cli.Writef(out, "%-10s  %8d  %-24s  %14.0f  %17.3f  %16.3f\n", rtt, s.sessions, w.name, speed, used.perThousand(int(sent)), speed/bare)
	}
	return nil
}

// errLimit ends a way whose time is over.
var errLimit = errors.New("time is over")

// sendAll sends all mails on several goroutines.
func (s mailScenario) sendAll(goroutines int, do send) func(context.Context) (int64, error) {
	return func(ctx context.Context) (int64, error) {
		var sent atomic.Int64
		deadline, _ := ctx.Deadline()
		err := repeat(ctx, s.mails, goroutines, func(ctx context.Context, i int) error {
			err := do(ctx, i)
			if err == nil {
				sent.Add(1)
			}
			if ctx.Err() != nil || !time.Now().Before(deadline) {
				return errLimit
			}
			return err
		})
		if errors.Is(err, errLimit) {
			err = nil
		}
		return sent.Load(), err
	}
}
