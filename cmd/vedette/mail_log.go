package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

func mailLogCommand() *cobra.Command {
	var where instance
	var unknown, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Tell what became of the mails of the last two days",
		Long: `Lists mails that were tried in the last two days, the latest first: sent;
sending; failed, so that another attempt waits or there is a dead letter;
withdrawn, because there was more to tell; or unknown: the connection was lost
after the final dot, so that the mail may have arrived, and may arrive again,
with the same Message-ID.`,
		Example: "  vedette mail log --unknown",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := where.connect(cmd.Context())
			if err != nil {
				return err
			}
			bucket, err := p.Bucket(cmd.Context(), topology.Deliveries)
			var entries []pipeline.Entry
			if err == nil {
				entries, err = bucket.Load(cmd.Context())
			}
			if err := closing(p, err); err != nil {
				return err
			}
			log := readMailLog(entries, unknown, time.Now())
			log = log[:min(len(log), max(0, limit))]
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(log)
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			say(table, "ID\tSTATE\tAT\tRELAY\tREPLY\n")
			for i := range log {
				say(table, "%s\t%s\t%s\t%s\t%s\n", log[i].ID, log[i].State, clock(log[i].At), log[i].Relay, printable(log[i].Reply))
			}
			return table.Flush()
		},
	}
	where.flags(cmd)
	cmd.Flags().BoolVar(&unknown, "unknown", false, "only those of which nobody knows whether they arrived")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most") //nolint:mnd // a screen
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// mailLine is a mail and what became of it.
type mailLine struct {
	job.Delivery

	State string `json:"state"`
}

// sendingTime is how long an attempt may take: what is said to be under way for
// longer is not known to have ended either way.
const sendingTime = 8 * time.Minute

func readMailLog(entries []pipeline.Entry, unknown bool, now time.Time) []mailLine {
	log := []mailLine{}
	for _, e := range entries {
		sent, err := job.DecodeKnown[job.Delivery](e.Value)
		if err != nil {
			sent = job.Delivery{ID: e.Key, At: e.Written, Reply: err.Error()}
		}
		line := mailLine{Delivery: sent, State: "failed"}
		switch {
		case sent.Done:
			line.State = "sent"
		case sent.Withdrawn:
			line.State = "withdrawn"
		case sent.Trying && (sent.Reply != "" || now.Sub(sent.At) > sendingTime):
			line.State = "unknown"
		case sent.Trying:
			line.State = "sending"
		}
		if !unknown || line.State == "unknown" {
			log = append(log, line)
		}
	}
	slices.SortFunc(log, func(a, b mailLine) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.ID, b.ID)) })
	return log
}
