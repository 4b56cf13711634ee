package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	gomail "github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/workers"
	"vedette/workers/mail"
)

// benchMailOptions are the flags of `vedette bench mail`.
type benchMailOptions struct {
	mails, sessions int
	limit           time.Duration
	rtts            []time.Duration
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
came.`,
		Example: "  vedette bench mail --mails 20000 --sessions 16 --rtt 0s,50ms,200ms",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.mails < 1 || o.sessions < 1 || o.limit <= 0 {
				return usageError(cmd, errors.New("read flags: found a number below 1, expected 1 or more"))
			}
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&o.mails, "mails", 20_000, "how many mails at most, each way")
	cmd.Flags().IntVar(&o.sessions, "sessions", 16, "how many sessions or connections at once")
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
	say(out, "mails of 2 KB, %d sessions, %d processors; the relay is in another process\n", o.sessions, runtime.GOMAXPROCS(0))
	say(out, "%-10s  %-24s  %14s  %17s  %16s\n", "round trip", "by", "mails a second", "CPU-s per 1,000", "of the bare loop")
	for _, rtt := range o.rtts {
		sink, stop, err := startSink(ctx, rtt)
		if err != nil {
			return err
		}
		err = o.compare(ctx, out, rtt, sink)
		if err := errors.Join(err, stop()); err != nil {
			return err
		}
	}
	return nil
}

func (o benchMailOptions) compare(ctx context.Context, out io.Writer, rtt time.Duration, sink string) error {
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
		say(out, "%-10s  %-24s  %14.0f  %17.3f  %16.3f\n", rtt, w.name, speed, took.cpu.Seconds()/max(1, float64(sent))*1000, speed/bare)
	}
	return nil
}

func (o benchMailOptions) measure(ctx context.Context, w way, sink string) (sent int64, took pace, err error) {
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

func benchMail(i int64) job.Mail {
	return job.Mail{
		V: job.Version, ID: "bench-" + strconv.FormatInt(i, 10), To: "ops@example.org", From: "vedette@example.org", Subject: "[DOWN] website: connect refused",
		Text: strings.Repeat("A line of text that says what is wrong.\n", 20), HTML: "<p>" + strings.Repeat("A line of text that says what is wrong.<br>\n", 20) + "</p>",
		Date: time.Unix(1_800_000_000, 0).UTC(),
	}
}

func sinkRelay(sink string) mail.Relay {
	host, port, _ := net.SplitHostPort(sink) // it is what a listener printed
	number, _ := strconv.Atoi(port)
	return mail.Relay{Host: host, Port: number, TLS: mail.TLSNone}
}

func (o benchMailOptions) sender(sink string) (*mail.Sender, error) {
	return mail.New(mail.Config{Relays: []mail.Relay{sinkRelay(sink)}, From: "vedette@example.org", Sessions: o.sessions, PerSession: o.mails})
}

// atOnce calls do until all mails are sent or ctx ends, so many times at once.
func (o benchMailOptions) atOnce(ctx context.Context, n int, do func(ctx context.Context, i int64) error) (int64, error) {
	var next, sent atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range n {
		group.Go(func() error {
			for i := next.Add(1); i <= int64(o.mails) && ctx.Err() == nil; i = next.Add(1) {
				if err := do(ctx, i); err != nil {
					if ctx.Err() != nil {
						return nil //nolint:nilerr // its time was over
					}
					return err
				}
				sent.Add(1)
			}
			return nil
		})
	}
	err := group.Wait()
	return sent.Load(), err
}

// bare sends by the sessions alone.
func (o benchMailOptions) bare(_ context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
	sender, err := o.sender(sink)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (int64, error) {
		return o.atOnce(ctx, o.sessions, func(ctx context.Context, i int64) error {
			_, err := sender.Send(ctx, benchMail(i), time.Now())
			return err
		})
	}, func() error { sender.Close(); return nil }, nil
}

// goMail is a client of go-mail as its documentation has it.
func goMail(sink string) (*gomail.Client, error) {
	relay := sinkRelay(sink)
	return gomail.NewClient(relay.Host, gomail.WithPort(relay.Port), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithHELO("bench.test"))
}

func goMessage(i int64) (*gomail.Msg, error) {
	m := benchMail(i)
	message := gomail.NewMsg()
	if err := errors.Join(message.From(m.From), message.To(m.To)); err != nil {
		return nil, err
	}
	message.Subject(m.Subject)
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	return message, nil
}

// oneSession sends one mail after the other, as a mailer process does.
func (o benchMailOptions) oneSession(ctx context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
	client, err := goMail(sink)
	if err != nil {
		return nil, nil, err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (int64, error) {
		return o.atOnce(ctx, 1, func(_ context.Context, i int64) error {
			message, err := goMessage(i)
			if err != nil {
				return err
			}
			return client.Send(message)
		})
	}, client.Close, nil
}

// dialEach sends each mail over a connection of its own.
func (o benchMailOptions) dialEach(_ context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
	return func(ctx context.Context) (int64, error) {
		return o.atOnce(ctx, o.sessions, func(ctx context.Context, i int64) error {
			message, err := goMessage(i)
			if err != nil {
				return err
			}
			client, err := goMail(sink)
			if err != nil {
				return err
			}
			return client.DialAndSendWithContext(ctx, message)
		})
	}, noEnd, nil
}

// vedette sends from jobs in JetStream, through the workers.
func (o benchMailOptions) vedette(ctx context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
	dir, err := os.MkdirTemp("", "vedette-bench-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make directory: %w", err)
	}
	end := func() error { return os.RemoveAll(dir) }
	server, err := broker.Start(broker.Config{Dir: dir})
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	end = func() error { return errors.Join(server.Stop(), os.RemoveAll(dir)) }
	p, err := pipeline.Connect(ctx, pipeline.Config{InProcess: server, User: broker.User, Password: server.Secret()})
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	stop := func() error { return errors.Join(p.Close(), end()) }
	if err := errors.Join(p.Ensure(ctx), o.order(ctx, p)); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return func(ctx context.Context) (int64, error) { return o.work(ctx, p, sink) }, stop, nil
}

// work has the workers send the mails that were ordered.
func (o benchMailOptions) work(ctx context.Context, p *pipeline.Pipeline, sink string) (int64, error) {
	sender, err := o.sender(sink)
	if err != nil {
		return 0, err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	counted := &countingTransport{Sender: sender, all: int64(o.mails), done: done}
	work, err := workers.New(workers.Config{
		Pipeline: p, Stages: []string{workers.StageMail}, Limits: workers.Limits{Mails: o.sessions}, Grace: time.Second,
		NewMailer: func(ledger workers.SentLedger) (workers.Mailer, error) {
			worker, err := mail.NewWorker(mail.WorkerConfig{Transport: counted, Ledger: ledger})
			return &mailer{Worker: worker, sender: sender}, err
		},
	})
	if err != nil {
		return 0, err
	}
	err = work.Serve(ctx)
	return counted.sent.Load(), err
}

func (o benchMailOptions) order(ctx context.Context, p *pipeline.Pipeline) error {
	messages := make([]pipeline.Message, o.mails)
	for i := range messages {
		m := benchMail(int64(i))
		body, err := job.Encode(m)
		if err != nil {
			return err
		}
		messages[i] = pipeline.Message{Subject: pipeline.MailSubject(job.MailAlert, m.ID), Body: body}
	}
	return errors.Join(p.PublishAll(ctx, messages)...)
}

// countingTransport ends a benchmark when all mails were taken.
type countingTransport struct {
	*mail.Sender

	sent atomic.Int64
	all  int64
	done func()
}

// Send sends, and counts.
func (c *countingTransport) Send(ctx context.Context, m job.Mail, stored time.Time) (mail.Receipt, error) {
	receipt, err := c.Sender.Send(ctx, m, stored)
	if err == nil && c.sent.Add(1) == c.all {
		c.done()
	}
	return receipt, err
}
