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

// Mailer is a mail worker with its transport.
type Mailer struct {
	*mail.Worker

	Sender *mail.Sender                  // nil with a Maildir
	stored *mail.Maildir                 // the transport if there is no Sender
	copies func() (*mail.Maildir, error) // opens the Maildir for copies
	log    *slog.Logger
}

// StoreCopy stores a mail in the Maildir in the data directory, unless that is the
// transport, which has failed.
func (m *Mailer) StoreCopy(ctx context.Context, d job.Mail, stored time.Time) error {
	if m.Sender == nil {
		return nil
	}
	maildir, err := m.copies()
	if err != nil {
		return err
	}
	receipt, err := maildir.Send(ctx, d, stored)
	if err != nil {
		return err
	}
	m.log.WarnContext(ctx, "mail to operators cannot be sent yet; a copy was stored", "id", d.ID, "in", receipt.Relay, "subject", d.Subject)
	return nil
}

// Available reports whether mails can currently be sent.
func (m *Mailer) Available() bool { return m.Sender == nil || m.Sender.Available() }

// Relays returns the states of the relays, or that of the Maildir.
func (m *Mailer) Relays() []mail.RelayState {
	if m.Sender == nil {
		return []mail.RelayState{m.stored.State()}
	}
	return m.Sender.Relays()
}

// Serve maintains the connections to relays until ctx ends.
func (m *Mailer) Serve(ctx context.Context) error {
	if m.Sender == nil {
		return m.stored.Serve(ctx)
	}
	return m.Sender.Serve(ctx)
}

// Close closes the transport.
func (m *Mailer) Close() {
	if m.Sender != nil {
		m.Sender.Close()
	}
}

// newMailer returns a mailer that sends by SMTP if the file has relays, and into the
// Maildir otherwise.
func (r *instanceRun) newMailer(deliveries workers.Deliveries) (workers.Mailer, error) {
	transport, sender, err := r.transport()
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	maildir, _ := transport.(*mail.Maildir) // if there is no sender
	worker, err := mail.NewWorker(mail.WorkerConfig{
		Transport: transport, Deliveries: deliveries, RecipientPerMinute: r.file.Mail.RecipientPerMinute, Accepted: &r.accepted, Logger: r.log,
	})
	if err != nil {
		return nil, err
	}
	return &Mailer{Worker: worker, Sender: sender, stored: maildir, copies: r.openMaildir, log: r.log}, nil
}

// defaultFrom is the sender for an installation that has a Maildir and no sender in
// its file. The domain is reserved (RFC 2606).
const defaultFrom = "Vedette <vedette@vedette.invalid>"

// transport returns the transport, also as a sender if it is one.
func (r *instanceRun) transport() (mail.Transport, *mail.Sender, error) {
	if len(r.file.Mail.Relays) == 0 {
		maildir, err := r.openMaildir()
		return maildir, nil, err
	}
	key, err := DKIMKey(r.file.Mail)
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

// DKIMKey returns the file's DKIM key, or nil if there is none.
func DKIMKey(file monitor.Mail) (*mail.DKIM, error) {
	if file.DKIM == nil {
		return nil, nil //nolint:nilnil // mails need no signature
	}
	key, err := mail.ParseDKIMKey([]byte(file.DKIM.Key))
	if err != nil {
		return nil, fmt.Errorf("read dkim key: %w", err)
	}
	return &mail.DKIM{Domain: file.DKIM.Domain, Selector: file.DKIM.Selector, Key: key}, nil
}

// Relays returns a file's relays for package mail.
func Relays(configured []monitor.Relay) []mail.Relay {
	found := make([]mail.Relay, len(configured))
	for i, relay := range configured {
		if relay.PasswordFile != "" {
			relay.Password = "" // read at each login
		}
		found[i] = mail.Relay{
			Host: relay.Host, Port: relay.Port, TLS: string(relay.TLS),
			Username: relay.Username, Password: string(relay.Password), AllowCleartext: relay.AllowCleartext,
			Auth: relay.Auth, PasswordFile: relay.PasswordFile, Sessions: relay.Sessions, PerMinute: relay.PerMinute,
		}
	}
	return found
}
