package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/mailstatus"
	"vedette/pipeline"
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
  deferred   the last attempt failed; NEXT is when the mail is tried again
  failed     the mail will not be tried again; NEXT is its dead letter, which
             'vedette dead replay ID' tries again
  withdrawn  a newer mail with more news has replaced it

The last line counts the mails that were not tried yet.`,
		Example: "  vedette mail log --unknown",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := cli.Query(cmd.Context(), &where, func(ctx context.Context, p *pipeline.Pipeline) (mailLog, error) {
				return readMailLog(ctx, p, unknown, limit)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(log.mails)
			}
			return log.printText(cmd.OutOrStdout())
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&unknown, "unknown", false, "only mails with an unknown outcome")
	cmd.Flags().IntVar(&limit, "limit", 50, "list at most this many mails") //nolint:mnd // a screen
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// mailLog has the mails that were tried, and counts the others.
type mailLog struct {
	mails   []mailstatus.Mail
	untried uint64
}

func readMailLog(ctx context.Context, p *pipeline.Pipeline, unknown bool, limit int) (log mailLog, err error) {
	if log.mails, err = mailstatus.Log(ctx, p, unknown, limit); err != nil {
		return log, err
	}
	log.untried, err = mailstatus.Untried(ctx, p)
	return log, err
}

func (l mailLog) printText(to io.Writer) error {
	table := newTrimmedTable(to)
	cli.Writef(table, "ID\tSTATE\tAT\tTO\tSUBJECT\tNEXT\tRELAY\tREPLY\n")
	for i := range l.mails {
		m := &l.mails[i]
		cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.State, cli.TimeText(m.At),
			cli.Printable(m.To), cli.Printable(m.Subject), m.NextText(), m.Relay, cli.Printable(m.Reply))
	}
	if err := table.flush(); err != nil {
		return err
	}
	if l.untried > 0 {
		cli.Writef(to, "%s for the first attempt\n", waitText(l.untried))
	}
	return nil
}

func waitText(n uint64) string {
	if n == 1 {
		return "1 mail waits"
	}
	return fmt.Sprintf("%d mails wait", n)
}
