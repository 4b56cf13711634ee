package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/workers/notify"
)

func deadListCommand() *cobra.Command {
	var filter deadFilter
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List dead letters, oldest first",
		Example: "  vedette dead list --stage mail --newer-than 24h\n  vedette dead list --json | jq .error",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return cli.UsageError(cmd, fmt.Errorf("read --limit: found %d, expected 1 or more", limit))
			}
			list := &deadLetterList{to: cmd.OutOrStdout(), json: asJSON, limit: limit, now: time.Now()}
			if err := filter.forEach(cmd, nil, list.add); err != nil {
				return err
			}
			return list.finish()
		},
	}
	filter.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each, with its body")
	cmd.Flags().IntVar(&limit, "limit", 100, "list at most this many")
	return cmd
}

// deadLetterList prints dead letters as a table or JSON.
type deadLetterList struct {
	to    io.Writer
	json  bool
	limit int
	now   time.Time
	shown int
	more  bool
	table *tabwriter.Writer
	err   error
}

func (l *deadLetterList) add(_ *pipeline.Pipeline, letter deadletter.Letter) bool {
	if l.shown == l.limit {
		l.more = true
		return false
	}
	l.shown++
	if l.json {
		l.err = json.NewEncoder(l.to).Encode(newDeadLetterJSON(letter))
		return l.err == nil
	}
	if l.table == nil {
		l.table = cli.NewTable(l.to)
		cli.Writef(l.table, "ID\tDEAD FOR\tSTAGE\tREASON\tATTEMPTS\tJOB\tERROR\n")
	}
	cli.Writef(l.table, "%d\t%s\t%s\t%s\t%d\t%s\t%s\n", letter.ID, notify.HumanBetween(letter.DeadAt, l.now),
		cli.Printable(letter.Stage), cli.Printable(string(letter.Reason)), letter.Attempts, cli.Printable(letter.Subject), cli.Truncate(cli.Printable(letter.Error)))
	return true
}

func (l *deadLetterList) finish() error {
	if l.err != nil || l.json {
		return l.err
	}
	if l.table == nil {
		_, err := fmt.Fprintln(l.to, "no dead letters")
		return err
	}
	if err := l.table.Flush(); err != nil {
		return err
	}
	if l.more {
		_, err := fmt.Fprintf(l.to, "… and more: these are the oldest %d, see --limit\n", l.limit)
		return err
	}
	return nil
}

// deadLetterJSON is a dead letter in JSON, with one of the bodies.
type deadLetterJSON struct {
	deadletter.Letter

	Text   string `json:"body,omitempty"`
	Base64 []byte `json:"body_base64,omitempty"`
}

func newDeadLetterJSON(letter deadletter.Letter) deadLetterJSON {
	if utf8.Valid(letter.Body) {
		return deadLetterJSON{Letter: letter, Text: string(letter.Body)}
	}
	return deadLetterJSON{Letter: letter, Base64: letter.Body}
}

func deadShowCommand() *cobra.Command {
	var filter deadFilter
	var asJSON, bodyOnly bool
	cmd := &cobra.Command{
		Use:     "show ID...",
		Short:   "Show dead letters in full",
		Example: "  vedette dead show 17\n  vedette dead show 17 --body > job.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var failed error
			err := filter.forEach(cmd, args, func(_ *pipeline.Pipeline, letter deadletter.Letter) bool {
				failed = printDeadLetter(cmd.OutOrStdout(), letter, asJSON, bodyOnly)
				return failed == nil
			})
			if failed != nil {
				return failed
			}
			return err
		},
	}
	filter.where.Flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each")
	cmd.Flags().BoolVar(&bodyOnly, "body", false, "print only the job's body, byte for byte")
	return cmd
}

func printDeadLetter(to io.Writer, letter deadletter.Letter, asJSON, bodyOnly bool) error {
	switch {
	case bodyOnly:
		_, err := to.Write(letter.Body)
		return err
	case asJSON:
		return json.NewEncoder(to).Encode(newDeadLetterJSON(letter))
	}
	_, err := fmt.Fprintf(to, `dead letter %d
  stage         %s
  reason        %s
  error         %s
  attempts      %d
  first stored  %s
  dead since    %s
  worker        %s
  job           %s
  body          %s

`, letter.ID, cli.Printable(letter.Stage), cli.Printable(string(letter.Reason)), cli.Printable(letter.Error), letter.Attempts,
		cli.TimeText(letter.FirstStoredAt), cli.TimeText(letter.DeadAt),
		cli.Printable(letter.Worker), cli.Printable(letter.Subject), cli.Printable(string(letter.Body)))
	return err
}
