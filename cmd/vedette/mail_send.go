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
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/producer"
)

// sendOptions are the flags for `vedette mail send`, with its input and output.
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
		Short: "Send a mail, with its text from --text or standard input",
		Long: `Enqueues a mail for each recipient and waits until a relay has accepted them, or
with --async only until they are stored. If a relay refuses one recipient, the
others still get the mail. When the wait ends too soon, the mails stay in the
queue: 'vedette outcome mail ID' shows the outcome later. Sending twice with the
same --id sends once.

Exits with 1 if a mail was not sent, or not yet.`,
		Example: `  echo 'The backup is done.' | vedette mail send --to you@example.org --subject Backup
  vedette mail send --to a@example.org --cc b@example.org --subject Report --text 'See below.' --attach report.csv --async`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.textGiven, o.stdin, o.stdout = cmd.Flags().Changed("text"), cmd.InOrStdin(), cmd.OutOrStdout()
			mails, err := o.mails(time.Now())
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			return o.send(cmd.Context(), mails)
		},
	}
	o.where.Flags(cmd)
	cmd.Flags().StringSliceVar(&o.to, "to", nil, "address of a recipient (may be repeated)")
	cmd.Flags().StringSliceVar(&o.cc, "cc", nil, "address of a recipient in Cc (may be repeated)")
	cmd.Flags().StringVar(&o.mail.From, "from", "", "sender (default from the monitor file)")
	cmd.Flags().StringVar(&o.mail.ReplyTo, "reply-to", "", "address for replies")
	cmd.Flags().StringVar(&o.mail.Subject, "subject", "", "subject of the mail")
	cmd.Flags().StringVar(&o.mail.Text, "text", "", "text of the mail")
	cmd.Flags().StringVar(&o.html, "html", "", "file with the text as HTML")
	cmd.Flags().StringArrayVar(&o.headers, "header", nil, "custom header, 'Name: value' (may be repeated)")
	cmd.Flags().StringArrayVar(&o.attach, "attach", nil, "file to attach (may be repeated)")
	cmd.Flags().StringVar(&o.id, "id", "", "id of the mail, which makes the command safe to repeat (default random)")
	cmd.Flags().BoolVar(&o.async, "async", false, "return once the mails are stored")
	cmd.Flags().DurationVar(&o.wait, "wait", time.Minute, "wait this long for a relay to accept the mails")
	cmd.Flags().DurationVar(&o.expires, "expires", 0, "discard the mail after this time")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// mails builds a job for each recipient. The error lists all mistakes.
func (o *sendOptions) mails(now time.Time) ([]job.Mail, error) {
	m := o.mail
	var problems []error
	if len(o.to) == 0 {
		problems = append(problems, errors.New("read --to: found none, expected at least one address"))
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
		content, err := os.ReadFile(path) //nolint:gosec // named by the user
		problems = append(problems, err)
		m.Attachments = append(m.Attachments, job.Attachment{Name: filepath.Base(path), Type: mime.TypeByExtension(filepath.Ext(path)), Content: content})
	}
	if o.expires > 0 {
		m.NotAfter = now.UTC().Add(o.expires)
	}
	m.Date = now.UTC().Truncate(time.Second)
	return o.perRecipient(m), errors.Join(problems...)
}

// perRecipient builds a job for each recipient. With several recipients the ids are
// derived from the mail's id, so that repeating the command repeats the same jobs.
func (o *sendOptions) perRecipient(m job.Mail) []job.Mail {
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

// send enqueues the mails and prints a line for each.
func (o *sendOptions) send(ctx context.Context, mails []job.Mail) error {
	lines, err := cli.QueryClient(ctx, &o.where, func(ctx context.Context, client *producer.Client) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, o.wait)
		defer cancel()
		lines, errs := make([]string, len(mails)), make([]error, len(mails))
		var sending sync.WaitGroup
		for i := range mails {
			sending.Go(func() { lines[i], errs[i] = o.sendOne(ctx, client, mails[i]) })
		}
		sending.Wait()
		return lines, errors.Join(errs...)
	})
	for _, line := range lines {
		if line != "" {
			cli.Writef(o.stdout, "%s\n", line)
		}
	}
	return err
}

// sendOne enqueues one mail and returns the line to print.
func (o *sendOptions) sendOne(ctx context.Context, client *producer.Client, m job.Mail) (string, error) {
	if o.async {
		id, err := client.EnqueueMail(ctx, m)
		if err != nil {
			return "", jobError(job.Outcome{}, fmt.Errorf("send mail to %s: %w", m.To, err))
		}
		return o.line(map[string]any{"id": id, "to": m.To}, fmt.Sprintf("%s  %s  stored", id, m.To)), nil
	}
	outcome, err := client.Mail(ctx, m)
	switch {
	case errors.Is(err, producer.ErrPending):
		return o.line(outcome, fmt.Sprintf("%s  %s  pending: 'vedette outcome mail %s' shows the outcome later", outcome.ID, m.To, outcome.ID)), cli.ErrFound
	case err != nil:
		return "", jobError(outcome, fmt.Errorf("send mail to %s: %w", m.To, err))
	case outcome.Failure != nil:
		return o.line(outcome, fmt.Sprintf("%s  %s  not sent (%s): %s", outcome.ID, m.To, outcome.Failure.Reason, cli.Printable(outcome.Failure.Error))), cli.ErrFound
	case outcome.Mail != nil:
		return o.line(outcome, fmt.Sprintf("%s  %s  accepted by %s: %s", outcome.ID, m.To, outcome.Mail.Relay, cli.Printable(outcome.Mail.Reply))), nil
	default:
		return o.line(outcome, fmt.Sprintf("%s  %s  sent", outcome.ID, m.To)), nil
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
