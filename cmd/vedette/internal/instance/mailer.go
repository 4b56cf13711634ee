package instance

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/mail"
)

// Mailer is a mail worker with the transport that it uses.
type Mailer struct {
	*mail.Worker

	Sender *mail.Sender                  // nil for a Maildir, which is always there
	last   func() (*mail.Maildir, error) // where mails are kept that cannot be sent
	log    *slog.Logger
}

// StoreCopy puts a mail into the Maildir of the data directory. One that the Maildir
// itself did not take can be kept nowhere.
func (m *Mailer) StoreCopy(ctx context.Context, order job.Mail, stored time.Time) error {
	if m.Sender == nil {
		return nil
	}
	maildir, err := m.last()
	if err != nil {
		return err
	}
	receipt, err := maildir.Send(ctx, order, stored)
	if err != nil {
		return err
	}
	m.log.WarnContext(ctx, "mail to operators cannot be sent yet: a copy is kept", "id", order.ID, "in", receipt.Relay, "subject", order.Subject)
	return nil
}

// Available reports whether mails can be sent at the moment.
func (m *Mailer) Available() bool { return m.Sender == nil || m.Sender.Available() }

// Serve looks after the relays until ctx ends.
func (m *Mailer) Serve(ctx context.Context) error {
	if m.Sender == nil {
		<-ctx.Done()
		return nil
	}
	return m.Sender.Serve(ctx)
}

// Close ends the transport's sessions.
func (m *Mailer) Close() {
	if m.Sender != nil {
		m.Sender.Close()
	}
}

// newMailer makes what sends mails: by SMTP when the file names relays, else
// into the Maildir.
func (r *instanceRun) newMailer(ledger workers.Deliveries) (workers.Mailer, error) {
	transport, sender, err := r.transport()
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	worker, err := mail.NewWorker(mail.WorkerConfig{
		Transport: transport, Deliveries: ledger, RecipientPerMinute: r.file.Mail.RecipientPerMinute, Logger: r.log,
	})
	if err != nil {
		return nil, err
	}
	return &Mailer{Worker: worker, Sender: sender, last: r.openMaildir, log: r.log}, nil
}

// defaultFrom is the sender of an installation that names none, which only one
// with a Maildir may; the name is reserved (RFC 2606) and leads nowhere.
const defaultFrom = "Vedette <vedette@vedette.invalid>"

// transport is what carries mails, and the sender if it is one.
func (r *instanceRun) transport() (mail.Transport, *mail.Sender, error) {
	if len(r.file.Mail.Relays) == 0 {
		maildir, err := r.openMaildir()
		return maildir, nil, err
	}
	key, err := Signing(r.file.Mail)
	if err != nil {
		return nil, nil, err
	}
	sender, err := mail.New(mail.Config{Relays: Relays(r.file.Mail.Relays), From: r.file.Mail.From, DKIM: key, Logger: r.log})
	if err != nil {
		return nil, nil, err
	}
	return sender, sender, nil
}

func (r *instanceRun) openMaildir() (*mail.Maildir, error) {
	from := r.file.Mail.From
	if from == "" {
		from = defaultFrom
	}
	return mail.NewMaildir(mail.MaildirConfig{Dir: r.maildir(), From: from, Logger: r.log})
}

// Signing is the key of a file that signs mails, nil if there is none.
func Signing(file monitor.Mail) (*mail.DKIM, error) {
	if file.DKIM == nil {
		return nil, nil //nolint:nilnil // mails need no signature
	}
	key, err := mail.ParseDKIMKey([]byte(file.DKIM.Key))
	if err != nil {
		return nil, fmt.Errorf("read key of dkim: %w", err)
	}
	return &mail.DKIM{Domain: file.DKIM.Domain, Selector: file.DKIM.Selector, Key: key}, nil
}

// Relays are the relays of a file, as mails are sent by them.
func Relays(configured []monitor.Relay) []mail.Relay {
	found := make([]mail.Relay, len(configured))
	for i, relay := range configured {
		if relay.PasswordFile != "" {
			relay.Password = "" // what the file holds when it is used counts
		}
		found[i] = mail.Relay{
			Host: relay.Host, Port: relay.Port, TLS: string(relay.TLS),
			Username: relay.Username, Password: string(relay.Password), AllowCleartext: relay.AllowCleartext,
			Auth: relay.Auth, PasswordFile: relay.PasswordFile, Sessions: relay.Sessions, PerMinute: relay.PerMinute,
		}
	}
	return found
}
