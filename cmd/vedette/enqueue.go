package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/producer"
	"vedette/workers/check"
)

func enqueueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "enqueue",
		Short: "Submit a check or a mail job to a running instance",
		Long: `Stores a job in the running instance and prints its id at once; with --wait it
waits for the outcome too. Nothing is lost when the waiting ends too soon:
'vedette outcome' tells later. Two orders under one id are one order.`,
		Example: `  vedette enqueue check https://example.org --wait 30s
  vedette enqueue mail --to you@example.org --subject Hello --text 'From a shell.' --id hello1`,
		Args: cli.CheckSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(enqueueCheckCommand(), enqueueMailCommand())
	return cmd
}

// order is what the flags of both orders say.
type enqueueOptions struct {
	where    cli.Instance
	id       string
	wait     time.Duration
	notAfter time.Duration
	json     bool
}

func (o *enqueueOptions) flags(cmd *cobra.Command) {
	o.where.Flags(cmd)
	cmd.Flags().StringVar(&o.id, "id", "", "id of the job, which makes the order safe to repeat (default a random one)")
	cmd.Flags().DurationVar(&o.wait, "wait", 0, "wait this long for the outcome")
	cmd.Flags().DurationVar(&o.notAfter, "expires", 0, "the job is not wanted any more after this time")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func (o *enqueueOptions) expiry() time.Time {
	if o.notAfter == 0 {
		return time.Time{}
	}
	return time.Now().UTC().Add(o.notAfter)
}

// submit casts or calls, and prints what came of it.
func (o *enqueueOptions) submit(ctx context.Context, to io.Writer, cast func(*producer.Client) (string, error), call func(context.Context, *producer.Client) (job.Outcome, error)) error {
	p, err := o.where.Connect(ctx)
	if err != nil {
		return err
	}
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		return cli.JoinClose(p, err)
	}
	if o.wait == 0 {
		id, err := cast(client)
		if err == nil {
			err = o.printID(to, id)
		}
		return cli.JoinClose(p, errors.Join(err, client.Close()))
	}
	limited, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	answer, err := call(limited, client)
	err = cli.JoinClose(p, errors.Join(err, client.Close()))
	if err != nil {
		if errors.Is(err, producer.ErrPending) {
			return &cli.HintError{Err: err, Hint: fmt.Sprintf("nothing is lost: 'vedette outcome %s %s' tells later", answer.Kind, answer.ID)}
		}
		return err
	}
	return printOutcome(to, answer, o.json)
}

func (o *enqueueOptions) printID(to io.Writer, id string) error {
	if o.json {
		return json.NewEncoder(to).Encode(map[string]string{"id": id})
	}
	_, err := fmt.Fprintln(to, id)
	return err
}

// printOutcome shows an answer, and exits with 1 when the target is down or the
// job could not be done.
func printOutcome(to io.Writer, answer job.Outcome, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(to).Encode(answer); err != nil {
			return err
		}
		return outcomeError(answer)
	}
	var err error
	switch {
	case answer.Failure != nil && answer.Failure.Reason == job.ReasonUnsupported:
		_, err = fmt.Fprintf(to, "%s %s is parked until a newer process takes it: %s\n", answer.Kind, answer.ID, cli.Printable(answer.Failure.Error))
	case answer.Failure != nil:
		_, err = fmt.Fprintf(to, "%s %s could not be done (%s): %s\n", answer.Kind, answer.ID, answer.Failure.Reason, cli.Printable(answer.Failure.Error))
	case answer.Check != nil && answer.Check.ProbeResult != nil:
		err = checkOptions{}.print(to, answer.Kind+" "+answer.ID, *answer.Check.ProbeResult)
	case answer.Mail != nil:
		_, err = fmt.Fprintf(to, "mail %s was taken by %s: %s\n", answer.ID, answer.Mail.Relay, cli.Printable(answer.Mail.Reply))
	default:
		_, err = fmt.Fprintf(to, "%s %s is done\n", answer.Kind, answer.ID)
	}
	if err != nil {
		return err
	}
	return outcomeError(answer)
}

func outcomeError(answer job.Outcome) error {
	down := answer.Check != nil && answer.Check.ProbeResult != nil && !answer.Check.ProbeResult.Health.OK()
	if down || answer.Failure != nil {
		return &cli.ExitError{Code: cli.ExitFound}
	}
	return nil
}

func enqueueCheckCommand() *cobra.Command {
	var o enqueueOptions
	var location string
	var timeout time.Duration
	var expect []string
	cmd := &cobra.Command{
		Use:     "check TARGET",
		Short:   "Order a check of a URL or of host:port",
		Example: "  vedette enqueue check https://example.org --wait 30s\n  vedette enqueue check db.example.org:5432 --location fra --id db-1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := check.ParseTarget(args[0])
			if err != nil {
				return cli.InputError(err)
			}
			spec.Timeout, spec.Expect = job.Duration(timeout), expect
			order := job.Check{ID: o.id, Location: location, NotAfter: o.expiry(), Spec: spec}
			return o.submit(cmd.Context(), cmd.OutOrStdout(),
				func(c *producer.Client) (string, error) { return c.EnqueueCheck(cmd.Context(), order) },
				func(ctx context.Context, c *producer.Client) (job.Outcome, error) { return c.Check(ctx, order) })
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&location, "location", job.DefaultLocation, "where the check runs")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long the check may take, in all")
	cmd.Flags().StringArrayVar(&expect, "expect", nil, "expression that must be true of the target (may be repeated)")
	return cmd
}

func enqueueMailCommand() *cobra.Command {
	var o enqueueOptions
	var m job.Mail
	cmd := &cobra.Command{
		Use:     "mail --to ADDRESS --subject WORDS [--text WORDS]",
		Short:   "Order a mail; without --text, its text is read from standard input",
		Example: "  echo 'The backup is done.' | vedette enqueue mail --to you@example.org --subject Backup",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("text") {
				text, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return fmt.Errorf("read text of the mail: %w", err)
				}
				m.Text = string(text)
			}
			m.ID, m.NotAfter = o.id, o.expiry()
			return o.submit(cmd.Context(), cmd.OutOrStdout(),
				func(c *producer.Client) (string, error) { return c.EnqueueMail(cmd.Context(), m) },
				func(ctx context.Context, c *producer.Client) (job.Outcome, error) { return c.Mail(ctx, m) })
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&m.To, "to", "", "address of the recipient")
	cmd.Flags().StringVar(&m.Subject, "subject", "", "subject of the mail")
	cmd.Flags().StringVar(&m.Text, "text", "", "text of the mail")
	return cmd
}
