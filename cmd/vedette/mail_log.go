package main

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
)

func mailLogCommand() *cobra.Command {
	var where cli.Instance
	var unknown, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "log",
		Short: "List the delivery status of recent mails",
		Long: `Lists the mails that were tried in the last two days, latest first, with their
delivery status:

  sent       a relay has accepted the mail
  sending    an attempt is under way
  unknown    the connection was lost after the final dot: the mail may have
             arrived, and may arrive again with the same Message-ID
  deferred   the last attempt failed; the mail waits for the next one
  failed     the mail is a dead letter, see 'vedette dead list --stage mail'
  withdrawn  a newer mail with more news has replaced it`,
		Example: "  vedette mail log --unknown",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := cli.Query(cmd.Context(), &where, func(ctx context.Context, p *pipeline.Pipeline) ([]mailLine, error) {
				return loadMailLog(ctx, p, unknown, limit)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(log)
			}
			table := cli.NewTable(cmd.OutOrStdout())
			cli.Writef(table, "ID\tSTATE\tAT\tRELAY\tREPLY\n")
			for i := range log {
				cli.Writef(table, "%s\t%s\t%s\t%s\t%s\n", log[i].ID, log[i].State, cli.TimeText(log[i].At), log[i].Relay, cli.Printable(log[i].Reply))
			}
			return table.Flush()
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&unknown, "unknown", false, "only mails with an unknown outcome")
	cmd.Flags().IntVar(&limit, "limit", 50, "list at most this many mails") //nolint:mnd // a screen
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// mailLine is a line in the log. Its state replaces the delivery's.
type mailLine struct {
	job.Delivery

	State string `json:"state"`
}

// States in the log that a [job.Delivery] does not have.
const (
	mailUnknown = "unknown"
	mailFailed  = "failed"
)

// longestAttempt limits an attempt. The outcome of an older one is unknown.
const longestAttempt = 8 * time.Minute

func loadMailLog(ctx context.Context, p *pipeline.Pipeline, unknown bool, limit int) ([]mailLine, error) {
	bucket, err := p.Bucket(ctx, topology.Deliveries)
	if err != nil {
		return nil, err
	}
	entries, err := bucket.Load(ctx)
	if err != nil {
		return nil, err
	}
	log := readMailLog(entries, unknown, time.Now())
	log = log[:min(len(log), max(0, limit))]
	return log, markDeadMails(ctx, p, log)
}

func readMailLog(entries []pipeline.Entry, unknown bool, now time.Time) []mailLine {
	log := []mailLine{}
	for _, e := range entries {
		found, err := job.DecodeKnown[job.Delivery](e.Value)
		if err != nil {
			found = job.Delivery{ID: e.Key, State: mailUnknown, At: e.Written, Reply: err.Error()}
		}
		line := mailLine{Delivery: found, State: string(found.State)}
		if found.State == job.DeliverySending && (found.Reply != "" || now.Sub(found.At) > longestAttempt) {
			line.State = mailUnknown
		}
		if !unknown || line.State == mailUnknown {
			log = append(log, line)
		}
	}
	slices.SortFunc(log, func(a, b mailLine) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	return log
}

// markDeadMails marks deferred mails that became dead letters as failed.
func markDeadMails(ctx context.Context, p *pipeline.Pipeline, log []mailLine) error {
	deferred := map[string]*mailLine{}
	filter := deadletter.Filter{Stages: []string{workers.StageMail}}
	for i := range log {
		if log[i].State == string(job.DeliveryDeferred) {
			deferred[log[i].ID] = &log[i]
			filter.After = log[i].At.Add(-job.AttemptLease) // clocks differ
		}
	}
	if len(deferred) == 0 {
		return nil
	}
	return deadletter.Each(ctx, p, filter, func(letter deadletter.Letter) bool {
		// An earlier dead letter of a mail was replayed.
		line := deferred[mailID(letter.Subject)]
		if line != nil && letter.DeadAt.After(line.At.Add(-job.AttemptLease)) {
			line.State = mailFailed
		}
		return true
	})
}

// mailID returns the id in the subject of a mail job: mail.<class>.<id> or
// call.mail.<id>.
func mailID(subject string) string {
	const prefix = 2
	tokens := strings.SplitN(subject, ".", prefix+1)
	return tokens[len(tokens)-1]
}
