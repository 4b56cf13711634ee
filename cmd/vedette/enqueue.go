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
		Short: "Submit a check or a mail to a running instance",
		Long: `Stores a job in the running instance and prints its id. With --wait it also waits
for the outcome. A job stays in its queue when the wait ends too soon: 'vedette
outcome' shows its outcome later. Submitting a job twice with the same id submits it
once.`,
		Example: `  vedette enqueue check https://example.org --wait 30s
  vedette enqueue mail --to you@example.org --subject Hello --text 'From a shell.' --id hello1`,
	}
	cmd.AddCommand(enqueueCheckCommand(), enqueueMailCommand())
	return cmd
}

// enqueueOptions are the flags for both kinds of jobs.
type enqueueOptions struct {
	where    cli.Instance
	id       string
	wait     time.Duration
	notAfter time.Duration
	json     bool
}

func (o *enqueueOptions) flags(cmd *cobra.Command) {
	o.where.Flags(cmd)
	cmd.Flags().StringVar(&o.id, "id", "", "id of the job, which makes the command safe to repeat (default random)")
	cmd.Flags().DurationVar(&o.wait, "wait", 0, "wait this long for the outcome")
	cmd.Flags().DurationVar(&o.notAfter, "expires", 0, "discard the job after this time")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

func (o *enqueueOptions) expiry() time.Time {
	if o.notAfter == 0 {
		return time.Time{}
	}
	return time.Now().UTC().Add(o.notAfter)
}

// submit enqueues a job and prints its id, or calls it and prints its outcome.
func (o *enqueueOptions) submit(ctx context.Context, to io.Writer, enqueue func(*producer.Client) (string, error), call func(context.Context, *producer.Client) (job.Outcome, error)) error {
	outcome, err := cli.QueryClient(ctx, &o.where, func(ctx context.Context, client *producer.Client) (job.Outcome, error) {
		if o.wait == 0 {
			id, err := enqueue(client)
			return job.Outcome{ID: id}, err
		}
		limited, cancel := context.WithTimeout(ctx, o.wait)
		defer cancel()
		return call(limited, client)
	})
	switch {
	case err != nil:
		return jobError(outcome, err)
	case o.wait > 0:
		return printOutcome(to, outcome, o.json)
	case o.json:
		return json.NewEncoder(to).Encode(map[string]string{"id": outcome.ID})
	}
	_, err = fmt.Fprintln(to, outcome.ID)
	return err
}

// jobError gives an error about a job its exit code.
func jobError(outcome job.Outcome, err error) error {
	if errors.Is(err, producer.ErrPending) {
		hint := fmt.Sprintf("the job stays in its queue: 'vedette outcome %s %s' shows its outcome later", outcome.Kind, outcome.ID)
		return &cli.ExitError{Code: cli.ExitFound, Err: &cli.HintError{Err: err, Hint: hint}}
	}
	if _, ok := errors.AsType[*producer.InvalidError](err); ok {
		return cli.InputError(err)
	}
	return err
}

// printOutcome prints an outcome. It returns [cli.ErrFound] if the target is down
// or the job failed.
func printOutcome(to io.Writer, outcome job.Outcome, asJSON bool) error {
	var err error
	name, failure := outcome.Kind+" "+outcome.ID, outcome.Failure
	checked := outcome.Check != nil && outcome.Check.ProbeResult != nil
	switch {
	case asJSON:
		err = json.NewEncoder(to).Encode(outcome)
	case failure != nil && failure.Reason == job.ReasonUnsupported:
		_, err = fmt.Fprintf(to, "%s is parked until a newer process takes it: %s\n", name, cli.Printable(failure.Error))
	case failure != nil:
		_, err = fmt.Fprintf(to, "%s failed (%s): %s\n", name, failure.Reason, cli.Printable(failure.Error))
	case checked:
		err = checkOptions{}.printResult(to, name, *outcome.Check.ProbeResult)
	case outcome.Mail != nil:
		_, err = fmt.Fprintf(to, "%s was accepted by %s: %s\n", name, outcome.Mail.Relay, cli.Printable(outcome.Mail.Reply))
	default:
		_, err = fmt.Fprintf(to, "%s is done\n", name)
	}
	if err == nil && (failure != nil || checked && !outcome.Check.ProbeResult.Health.OK()) {
		err = cli.ErrFound
	}
	return err
}

func enqueueCheckCommand() *cobra.Command {
	var o enqueueOptions
	var location string
	var timeout time.Duration
	var expect []string
	cmd := &cobra.Command{
		Use:     "check TARGET",
		Short:   "Submit a check for a URL or host:port",
		Example: "  vedette enqueue check https://example.org --wait 30s\n  vedette enqueue check db.example.org:5432 --location fra --id db-1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := check.ParseTarget(args[0])
			if err := errors.Join(err, cli.CheckLocations(location)); err != nil {
				return cli.UsageError(cmd, err)
			}
			spec.Timeout, spec.Expect = job.Duration(timeout), expect
			j := job.Check{ID: o.id, Location: location, NotAfter: o.expiry(), Spec: spec}
			return o.submit(cmd.Context(), cmd.OutOrStdout(),
				func(c *producer.Client) (string, error) { return c.EnqueueCheck(cmd.Context(), j) },
				func(ctx context.Context, c *producer.Client) (job.Outcome, error) { return c.Check(ctx, j) })
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&location, "location", job.DefaultLocation, "where the check runs")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "total time for the check")
	cmd.Flags().StringArrayVar(&expect, "expect", nil, "expression that must be true for the target (may be repeated)")
	return cmd
}

func enqueueMailCommand() *cobra.Command {
	var o enqueueOptions
	var m job.Mail
	cmd := &cobra.Command{
		Use:     "mail --to ADDRESS --subject WORDS [--text WORDS]",
		Short:   "Submit a mail, with its text from --text or standard input",
		Example: "  echo 'The backup is done.' | vedette enqueue mail --to you@example.org --subject Backup",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("text") {
				text, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return fmt.Errorf("read mail text: %w", err)
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
