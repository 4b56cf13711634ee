package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/mail"
)

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

func (o mailRun) sender(sink string) (*mail.Sender, error) {
	return mail.New(mail.Config{Relays: []mail.Relay{sinkRelay(sink)}, From: "vedette@example.org", Sessions: o.sessions, PerSession: o.mails})
}

// atOnce calls do until all mails are sent or ctx ends, so many times at once.
func (o mailRun) atOnce(ctx context.Context, n int, do func(ctx context.Context, i int64) error) (int64, error) {
	var next, sent atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range n {
		group.Go(func() error {
			for i := next.Add(1); i <= int64(o.mails) && ctx.Err() == nil; i = next.Add(1) {
				if err := do(ctx, i); err != nil {
					if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && !time.Now().Before(deadline) {
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
func (o mailRun) bare(_ context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
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
func (o mailRun) oneSession(ctx context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
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
func (o mailRun) dialEach(_ context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
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
func (o mailRun) vedette(ctx context.Context, sink string) (func(context.Context) (int64, error), func() error, error) {
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
func (o mailRun) work(ctx context.Context, p *pipeline.Pipeline, sink string) (int64, error) {
	sender, err := o.sender(sink)
	if err != nil {
		return 0, err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	counted := &countingTransport{Sender: sender, all: int64(o.mails), done: done}
	work, err := workers.New(workers.Config{
		Pipeline: p, Stages: []string{workers.StageMail}, Limits: workers.Limits{Mails: 2 * o.sessions}, Grace: time.Second,
		NewMailer: func(ledger workers.Deliveries) (workers.Mailer, error) {
			worker, err := mail.NewWorker(mail.WorkerConfig{Transport: counted, Deliveries: ledger})
			return &instance.Mailer{Worker: worker, Sender: sender}, err
		},
	})
	if err != nil {
		return 0, err
	}
	err = work.Serve(ctx)
	return counted.sent.Load(), err
}

func (o mailRun) order(ctx context.Context, p *pipeline.Pipeline) error {
	messages := make([]pipeline.Message, o.mails)
	for i := range messages {
		m := benchMail(int64(i))
		body, err := job.Encode(m)
		if err != nil {
			return err
		}
		messages[i] = pipeline.Message{Subject: topology.MailSubject(job.MailAlert, m.ID), Body: body}
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
