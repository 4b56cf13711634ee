package main

import (
	"fmt"

	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/mail"
)

// mailer is a mail worker with the transport that it uses.
type mailer struct {
	*mail.Worker

	close func()
}

// Close ends the transport's sessions.
func (m *mailer) Close() { m.close() }

// newMailer makes what sends mails: by SMTP when the file names relays, else
// into the Maildir.
func (r *instanceRun) newMailer(ledger workers.SentLedger) (workers.Mailer, error) {
	transport, end, err := r.transport()
	if err != nil {
		return nil, fmt.Errorf("set up mail: %w", err)
	}
	worker, err := mail.NewWorker(mail.WorkerConfig{Transport: transport, Ledger: ledger, Logger: r.log})
	if err != nil {
		return nil, err
	}
	return &mailer{Worker: worker, close: end}, nil
}

// defaultFrom is the sender of an installation that names none, which only one
// with a Maildir may; the name is reserved (RFC 2606) and leads nowhere.
const defaultFrom = "Vedette <vedette@vedette.invalid>"

func (r *instanceRun) transport() (mail.Transport, func(), error) {
	from := r.file.Mail.From
	if from == "" {
		from = defaultFrom
	}
	if len(r.file.Mail.Relays) == 0 {
		maildir, err := mail.NewMaildir(mail.MaildirConfig{Dir: r.maildir(), From: from})
		return maildir, func() {}, err
	}
	sender, err := mail.New(mail.Config{Relays: relays(r.file.Mail.Relays), From: from, Logger: r.log})
	if err != nil {
		return nil, nil, err
	}
	return sender, sender.Close, nil
}

func relays(configured []monitor.Relay) []mail.Relay {
	found := make([]mail.Relay, len(configured))
	for i, relay := range configured {
		found[i] = mail.Relay{
			Host: relay.Host, Port: relay.Port, TLS: string(relay.TLS),
			Username: relay.Username, Password: string(relay.Password), AllowCleartext: relay.AllowCleartext,
		}
	}
	return found
}
