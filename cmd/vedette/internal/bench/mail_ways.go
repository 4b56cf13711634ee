package bench

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"

	"vedette/cmd/vedette/internal/instance"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/mail"
)

func exampleMail(i int) job.Mail {
	return job.Mail{
		V: job.Version, ID: "bench-" + strconv.Itoa(i), To: "ops@example.org", From: "vedette@example.org", Subject: "[DOWN] website: connect refused",
		Text: strings.Repeat("A line of text that says what is wrong.\n", 20), HTML: "<p>" + strings.Repeat("A line of text that says what is wrong.<br>\n", 20) + "</p>",
		Date: time.Unix(1_800_000_000, 0).UTC(),
	}
}

func hostAndPort(relay string) (string, int) {
	host, port, _ := net.SplitHostPort(relay) // a listener printed it
	number, _ := strconv.Atoi(port)
	return host, number
}

func (s mailScenario) sender(relay string) (*mail.Sender, error) {
	host, port := hostAndPort(relay)
	return mail.New(mail.Config{Relays: []mail.Relay{{Host: host, Port: port, TLS: mail.TLSNone}}, From: "vedette@example.org", Sessions: s.sessions, PerSession: s.mails, CheckInterval: -1})
}

// bare sends over the sessions alone.
func (s mailScenario) bare(_ context.Context, relay string, timed timer) error {
	sender, err := s.sender(relay)
	if err != nil {
		return err
	}
	defer sender.Close()
	return timed(s.sendAll(s.sessions, func(ctx context.Context, i int) error {
		_, err := sender.Send(ctx, exampleMail(i), time.Now())
		return err
	}))
}

// goMail returns a go-mail client with the documented defaults.
func goMail(relay string) (*gomail.Client, error) {
	host, port := hostAndPort(relay)
	return gomail.NewClient(host, gomail.WithPort(port), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithHELO("bench.test"))
}

func goMessage(i int) (*gomail.Msg, error) {
	m := exampleMail(i)
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
func (s mailScenario) oneSession(ctx context.Context, relay string, timed timer) (err error) {
	client, err := goMail(relay)
	if err != nil {
		return err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	return timed(s.sendAll(1, func(_ context.Context, i int) error {
		message, err := goMessage(i)
		if err != nil {
			return err
		}
		return client.Send(message)
	}))
}

// dialEach sends each mail over a new connection.
func (s mailScenario) dialEach(_ context.Context, relay string, timed timer) error {
	return timed(s.sendAll(s.sessions, func(ctx context.Context, i int) error {
		message, err := goMessage(i)
		if err != nil {
			return err
		}
		client, err := goMail(relay)
		if err != nil {
			return err
		}
		return client.DialAndSendWithContext(ctx, message)
	}))
}

// vedette sends from jobs in JetStream, through the workers.
func (s mailScenario) vedette(ctx context.Context, relay string, timed timer) error {
	return withServer(ctx, broker.Config{}, func(p *pipeline.Pipeline, _ *broker.Broker) error {
		messages := make([]pipeline.Message, s.mails)
		for i := range messages {
			m := exampleMail(i)
			body, err := job.Encode(m)
			if err != nil {
				return err
			}
			messages[i] = pipeline.Message{Subject: topology.MailSubject(job.MailAlert, m.ID), Body: body}
		}
		if err := errors.Join(p.PublishAll(ctx, messages)...); err != nil {
			return err
		}
		return timed(func(ctx context.Context) (int64, error) { return s.work(ctx, p, relay) })
	})
}

// work lets the workers send the published mails.
func (s mailScenario) work(ctx context.Context, p *pipeline.Pipeline, relay string) (int64, error) {
	sender, err := s.sender(relay)
	if err != nil {
		return 0, err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	counted := &countingTransport{Sender: sender, all: int64(s.mails), done: done}
	tree, err := workers.New(workers.Config{
		Pipeline: p, Stages: []string{workers.StageMail}, Limits: workers.Limits{Mails: 2 * s.sessions}, Grace: time.Second,
		NewMailer: func(deliveries workers.Deliveries) (workers.Mailer, error) {
			worker, err := mail.NewWorker(mail.WorkerConfig{Transport: counted, Deliveries: deliveries})
			return &instance.Mailer{Worker: worker, Sender: sender}, err
		},
	})
	if err != nil {
		return 0, err
	}
	err = tree.Serve(ctx)
	return counted.sent.Load(), err
}

// countingTransport calls done when all mails are sent.
type countingTransport struct {
	*mail.Sender

	sent atomic.Int64
	all  int64
	done func()
}

// Send sends a mail and counts it.
func (t *countingTransport) Send(ctx context.Context, m job.Mail, stored time.Time) (mail.Receipt, error) {
	receipt, err := t.Sender.Send(ctx, m, stored)
	if err == nil && t.sent.Add(1) == t.all {
		t.done()
	}
	return receipt, err
}
