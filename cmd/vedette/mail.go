package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/producer"
)

func mailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mail",
		Short: "Send mails, try the relays, and see what became of mails",
		Long: `Mails of people and programs go through the queues of the running instance, as
alerts do: nothing is lost when a relay is away, and no mail waits for another.`,
		Example: `  vedette mail send --to you@example.org --subject Hello --text 'From a shell.'
  vedette mail test monitors.yaml --to you@example.org
  vedette mail log`,
		Args: cli.KnownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(mailSendCommand(), mailTestCommand(), mailLogCommand())
	return cmd
}

// sendOptions are the flags of `vedette mail send`, and what it reads and writes.
type sendOptions struct {
	where           cli.Instance
	mail            job.Mail
	to, cc, headers []string
	html, id        string
	attach          []string
	async, json     bool
	wait, expires   time.Duration
	textGiven       bool
	stdin           io.Reader
	stdout          io.Writer
}

func mailSendCommand() *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send --to ADDRESS --subject WORDS [--text WORDS]",
		Short: "Send a mail; without --text, its text is read from standard input",
		Long: `Orders a mail for each recipient, and waits until a relay has taken them, or
with --async only until they are stored. A refusal of one recipient does not
touch the others. Nothing is lost when the waiting ends too soon: 'vedette
outcome mail ID' tells later. Two orders under one --id are one order.

Exits with 1 when a mail could not be sent, or is not known to be.`,
		Example: `  echo 'The backup is done.' | vedette mail send --to you@example.org --subject Backup
  vedette mail send --to a@example.org --cc b@example.org --subject Report --text 'See below.' --attach report.csv --async`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.textGiven, o.stdin, o.stdout = cmd.Flags().Changed("text"), cmd.InOrStdin(), cmd.OutOrStdout()
			mails, err := o.mails(time.Now())
			if err != nil {
				return cli.Invalid(err)
			}
			return o.send(cmd.Context(), mails)
		},
	}
	o.where.Flags(cmd)
	cmd.Flags().StringSliceVar(&o.to, "to", nil, "address of a recipient; may be given again")
	cmd.Flags().StringSliceVar(&o.cc, "cc", nil, "address of a recipient who is shown as such; may be given again")
	cmd.Flags().StringVar(&o.mail.From, "from", "", "sender (default that of the installation)")
	cmd.Flags().StringVar(&o.mail.ReplyTo, "reply-to", "", "address for answers")
	cmd.Flags().StringVar(&o.mail.Subject, "subject", "", "subject of the mail")
	cmd.Flags().StringVar(&o.mail.Text, "text", "", "text of the mail")
	cmd.Flags().StringVar(&o.html, "html", "", "file with the same as HTML")
	cmd.Flags().StringArrayVar(&o.headers, "header", nil, "another header, 'Name: value'; may be given again")
	cmd.Flags().StringArrayVar(&o.attach, "attach", nil, "file to attach; may be given again")
	cmd.Flags().StringVar(&o.id, "id", "", "id of the mail, which makes the order safe to repeat (default a random one)")
	cmd.Flags().BoolVar(&o.async, "async", false, "return once the mails are stored")
	cmd.Flags().DurationVar(&o.wait, "wait", time.Minute, "wait this long for a relay to take them")
	cmd.Flags().DurationVar(&o.expires, "expires", 0, "the mail is not wanted any more after this time")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// mails makes a job for each recipient, and shows every mistake at once.
func (o *sendOptions) mails(now time.Time) ([]job.Mail, error) {
	m := o.mail
	var problems []error
	if len(o.to) == 0 {
		problems = append(problems, errors.New("read --to: found none, expected the address of a recipient"))
	}
	if !o.textGiven && o.html == "" {
		text, err := io.ReadAll(o.stdin)
		problems = append(problems, err)
		m.Text = string(text)
	}
	if o.html != "" {
		html, err := os.ReadFile(o.html)
		problems = append(problems, err)
		m.HTML = string(html)
	}
	for _, header := range o.headers {
		name, value, ok := strings.Cut(header, ":")
		if !ok {
			problems = append(problems, fmt.Errorf("read --header: found %q, expected 'Name: value'", header))
		}
		if m.Headers == nil {
			m.Headers = map[string]string{}
		}
		m.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for _, path := range o.attach {
		content, err := os.ReadFile(path) //nolint:gosec // whoever runs the command names the file
		problems = append(problems, err)
		m.Attachments = append(m.Attachments, job.Attachment{Name: filepath.Base(path), Type: mime.TypeByExtension(filepath.Ext(path)), Content: content})
	}
	if o.expires > 0 {
		m.NotAfter = now.UTC().Add(o.expires)
	}
	m.Date = now.UTC().Truncate(time.Second)
	return o.each(m), errors.Join(problems...)
}

// each makes a job of a mail for each recipient. The ids of several are made of
// the one, so that the same order again is the same jobs.
func (o *sendOptions) each(m job.Mail) []job.Mail {
	base := o.id
	if base == "" {
		base = strings.ToLower(rand.Text())[:20]
	}
	var mails []job.Mail
	all := append(append([]string{}, o.to...), o.cc...)
	for _, to := range all {
		one := m
		one.ID, one.To = base, to
		if len(all) > 1 {
			one.ID, one.ShownTo, one.CC = job.DeriveID("mail", base, to), o.to, o.cc
		}
		mails = append(mails, one)
	}
	return mails
}

// send orders the mails, and prints a line for each.
func (o *sendOptions) send(ctx context.Context, mails []job.Mail) error {
	p, err := o.where.Connect(ctx)
	if err != nil {
		return err
	}
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		return cli.Closing(p, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	lines := make([]string, len(mails))
	errs := make([]error, len(mails))
	done := make(chan struct{}, len(mails))
	for i := range mails {
		go func() {
			lines[i], errs[i] = o.sendOne(ctx, client, mails[i])
			done <- struct{}{}
		}()
	}
	for range mails {
		<-done
	}
	for _, line := range lines {
		if line != "" {
			cli.Say(o.stdout, "%s\n", line)
		}
	}
	return cli.Closing(p, errors.Join(append(errs, client.Close())...))
}

// sendOne orders one mail, and tells what came of it.
func (o *sendOptions) sendOne(ctx context.Context, client *producer.Client, m job.Mail) (string, error) {
	if o.async {
		id, err := client.EnqueueMail(ctx, m)
		return o.line(map[string]any{"id": id, "to": m.To}, fmt.Sprintf("%s  %s  stored", id, m.To)), err
	}
	answer, err := client.Mail(ctx, m)
	switch {
	case errors.Is(err, producer.ErrPending):
		return o.line(answer, fmt.Sprintf("%s  %s  pending: 'vedette outcome mail %s' tells later", answer.ID, m.To, answer.ID)), &cli.ExitError{Code: cli.ExitDown}
	case err != nil:
		return "", fmt.Errorf("send mail to %s: %w", m.To, err)
	case answer.Failure != nil:
		return o.line(answer, fmt.Sprintf("%s  %s  not sent (%s): %s", answer.ID, m.To, answer.Failure.Reason, cli.Printable(answer.Failure.Error))), &cli.ExitError{Code: cli.ExitDown}
	case answer.Mail != nil:
		return o.line(answer, fmt.Sprintf("%s  %s  taken by %s: %s", answer.ID, m.To, answer.Mail.Relay, cli.Printable(answer.Mail.Reply))), nil
	default:
		return o.line(answer, fmt.Sprintf("%s  %s  sent", answer.ID, m.To)), nil
	}
}

func (o *sendOptions) line(value any, text string) string {
	if !o.json {
		return text
	}
	body, err := json.Marshal(value)
	if err != nil {
		return text
	}
	return string(body)
}
