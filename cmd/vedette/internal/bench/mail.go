package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
)

// benchMailOptions are the flags of `vedette bench mail`.
type benchMailOptions struct {
	mails    int
	sessions []int
	limit    time.Duration
	rtts     []time.Duration
}

func benchMailCommand() *cobra.Command {
	var o benchMailOptions
	cmd := &cobra.Command{
		Use:   "mail",
		Short: "Measure how many mails a second leave, beside other ways to send them",
		Long: `Sends mails of two kilobytes to a relay on loopback, which runs in a process of
its own and answers after a round trip, and prints the mails a second and the
CPU time of this process: from jobs in JetStream, as Vedette sends them; by the
bare loop of its sessions, without any jobs; by go-mail over one session, one
mail after the other, as a mailer process does it; and by go-mail with a
connection for each mail. What does not end in time is counted as far as it
came. As by default, two jobs share a session: one is sent while the other's
record is written.`,
		Example: `  vedette bench mail --rtt 0s,50ms,200ms
  vedette bench mail --rtt 50ms --sessions 4,16,64,256`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.mails < 1 || len(o.sessions) == 0 || slices.Min(o.sessions) < 1 || o.limit <= 0 {
				return cli.UsageError(cmd, errors.New("read flags: found a number below 1, expected 1 or more"))
			}
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&o.mails, "mails", 20_000, "how many mails at most, each way")
	cmd.Flags().IntSliceVar(&o.sessions, "sessions", []int{16}, "how many sessions or connections at once")
	cmd.Flags().DurationVar(&o.limit, "limit", 10*time.Second, "how long each way at most")
	cmd.Flags().DurationSliceVar(&o.rtts, "rtt", []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond}, "round trips to the relay")
	return cmd
}

// way is a way to send mails. prepare returns what sends until it has sent all,
// or its context ends, and returns how many it has; and what ends it all.
type way struct {
	name    string
	prepare func(ctx context.Context, sink string) (send func(context.Context) (int64, error), end func() error, err error)
}

func (o benchMailOptions) run(ctx context.Context, out io.Writer) error {
	cli.Writef(out, "mails of 2 KB, %d processors; the relay is in another process\n", runtime.GOMAXPROCS(0))
	cli.Writef(out, "%-10s  %8s  %-24s  %14s  %17s  %16s\n", "round trip", "sessions", "by", "mails a second", "CPU-s per 1,000", "of the bare loop")
	for _, rtt := range o.rtts {
		sink, stop, err := startSink(ctx, rtt)
		if err != nil {
			return err
		}
		for _, sessions := range o.sessions {
			run := mailRun{mails: o.mails, sessions: sessions, limit: o.limit}
			if err = run.compare(ctx, out, rtt, sink); err != nil {
				break
			}
		}
		if err := errors.Join(err, stop()); err != nil {
			return err
		}
	}
	return nil
}

// mailRun compares the ways for one number of sessions.
type mailRun struct {
	mails, sessions int
	limit           time.Duration
}

func (o mailRun) compare(ctx context.Context, out io.Writer, rtt time.Duration, sink string) error {
	bare := 0.0
	for _, w := range []way{
		{"bare loop", o.bare}, {"vedette, from JetStream", o.vedette}, {"go-mail, one session", o.oneSession}, {"go-mail, dial for each", o.dialEach},
	} {
		sent, took, err := o.measure(ctx, w, sink)
		if err != nil {
			return fmt.Errorf("send mails by %s: %w", w.name, err)
		}
		speed := float64(sent) / took.took.Seconds()
		if bare == 0 {
			bare = speed
		}
		cli.Writef(out, "%-10s  %8d  %-24s  %14.0f  %17.3f  %16.3f\n", rtt, o.sessions, w.name, speed, took.cpu.Seconds()/max(1, float64(sent))*1000, speed/bare)
	}
	return nil
}

func (o mailRun) measure(ctx context.Context, w way, sink string) (sent int64, took pace, err error) {
	send, end, err := w.prepare(ctx, sink)
	if err != nil {
		return 0, pace{}, err
	}
	defer func() { err = errors.Join(err, end()) }()
	limited, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	took, err = measure(func() error {
		var err error
		sent, err = send(limited)
		return err
	})
	return sent, took, err
}

func noEnd() error { return nil }

// startSink starts a relay in a process of its own.
func startSink(ctx context.Context, rtt time.Duration) (address string, stop func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bench", "sink", "--rtt", rtt.String()) //nolint:gosec // ourselves
	stdin, err := cmd.StdinPipe()                                                 // its end tells the sink that we are gone
	if err != nil {
		return "", nil, fmt.Errorf("start relay: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("start relay: %w", err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start relay: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("start relay: %w", err), cmd.Wait())
	}
	return strings.TrimSpace(line), func() error {
		_ = stdin.Close()
		_ = cmd.Process.Kill() // it keeps nothing
		_ = cmd.Wait()         // it was killed, and says so
		return nil
	}, nil
}
