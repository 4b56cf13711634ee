package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
)

func silenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "silence",
		Short: "Mute alerts for matching monitors",
		Long: `A silence mutes all mails about the monitors that it matches until it ends. They are
still checked and evaluated. When it ends, an address that got a DOWN mail before it
gets the UP mail if the monitor has recovered, and all addresses are notified about
monitors that are still down.`,
		Example: `  vedette silence add monitor='db-*' --for 2h --comment 'new disks'
  vedette silence add group=web label.env=prod --until 18:00
  vedette silence list
  vedette silence expire 7k3`,
	}
	cmd.AddCommand(silenceAddCommand(), silenceListCommand(), silenceExpireCommand())
	return cmd
}

// silenceOptions are the flags for `vedette silence add`.
type silenceOptions struct {
	where           cli.Instance
	length          time.Duration
	until, from     string
	author, comment string
}

func silenceAddCommand() *cobra.Command {
	var o silenceOptions
	cmd := &cobra.Command{
		Use:   "add MATCHER...",
		Short: "Add a silence, and print its id",
		Long: `A matcher is monitor=PATTERN, group=PATTERN or label.NAME=PATTERN, where * matches
any text. A monitor must match one of the monitor matchers, one of the group
matchers, and all labels.`,
		Example: `  vedette silence add monitor='db-*' --for 2h --comment 'new disks'
  vedette silence add group=web label.env=prod --until 2026-12-01T18:00:00Z`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			silence, err := o.silence(args, time.Now())
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			id, err := cli.Query(cmd.Context(), &o.where, func(ctx context.Context, p *pipeline.Pipeline) (string, error) {
				return silence.ID, addSilence(ctx, p, silence)
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), id)
			return err
		},
	}
	o.where.Flags(cmd)
	cmd.Flags().DurationVar(&o.length, "for", 0, "duration, such as 2h")
	cmd.Flags().StringVar(&o.until, "until", "", "end: a time of day such as 18:00, or an RFC 3339 time")
	cmd.Flags().StringVar(&o.from, "from", "", "start, in the same formats (default now)")
	cmd.Flags().StringVar(&o.author, "author", "", "author (default the current user)")
	cmd.Flags().StringVar(&o.comment, "comment", "", "reason")
	return cmd
}

// silence reads the arguments. The error has all mistakes.
func (o *silenceOptions) silence(args []string, now time.Time) (job.Silence, error) {
	match, err := parseMatch(args)
	problems := []error{err}
	s := job.Silence{V: job.Version, ID: strings.ToLower(rand.Text()[:8]), Match: match, Author: o.author, Comment: o.comment, Starts: now}
	if s.Author == "" {
		s.Author = "unknown"
		if current, err := user.Current(); err == nil {
			s.Author = current.Username
		}
	}
	if o.from != "" {
		s.Starts, err = parseMoment("--from", o.from, now)
		problems = append(problems, err)
	}
	switch {
	case o.length != 0 && o.until != "", o.length == 0 && o.until == "":
		problems = append(problems, errors.New("read end: found both or neither of --for and --until, expected one of them"))
	case o.length != 0:
		s.Ends = s.Starts.Add(o.length)
	default:
		s.Ends, err = parseMoment("--until", o.until, s.Starts)
		problems = append(problems, err)
	}
	if errors.Join(problems...) == nil && !s.Ends.After(s.Starts) {
		problems = append(problems, fmt.Errorf("read end: found %s, expected a time after the start", s.Ends.Format(time.RFC3339)))
	}
	s.Starts, s.Ends = s.Starts.UTC().Truncate(time.Second), s.Ends.UTC().Truncate(time.Second)
	return s, errors.Join(problems...)
}

// parseMoment reads an RFC 3339 time, or a time of day: its first occurrence after
// another time.
func parseMoment(flag, text string, after time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	clock, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, fmt.Errorf("read %s: found %q, expected a time such as 18:00 or 2026-12-01T18:00:00Z", flag, text)
	}
	local := after.Local()
	at := time.Date(local.Year(), local.Month(), local.Day(), clock.Hour(), clock.Minute(), 0, 0, time.Local)
	if !at.After(after) {
		at = at.AddDate(0, 0, 1)
	}
	return at, nil
}

func parseMatch(args []string) (job.Match, error) {
	var match job.Match
	var problems []error
	for _, arg := range args {
		key, pattern, ok := strings.Cut(arg, "=")
		label, isLabel := strings.CutPrefix(key, job.GroupByLabel)
		_, bad := path.Match(pattern, "")
		switch {
		case !ok || pattern == "" || bad != nil || isLabel && !job.ValidName(label) || !isLabel && key != "monitor" && key != "group":
			problems = append(problems, fmt.Errorf("read matcher: found %q, expected monitor=PATTERN, group=PATTERN or label.NAME=PATTERN", arg))
		case key == "monitor":
			match.Monitors = append(match.Monitors, pattern)
		case key == "group":
			match.Groups = append(match.Groups, pattern)
		default:
			if match.Labels == nil {
				match.Labels = map[string]string{}
			}
			match.Labels[label] = pattern
		}
	}
	return match, errors.Join(problems...)
}

// silencesKept is how long ended silences are listed.
const silencesKept = 7 * 24 * time.Hour

// addSilence stores a silence, and deletes those that ended long ago.
func addSilence(ctx context.Context, p *pipeline.Pipeline, s job.Silence) error {
	bucket, err := p.Bucket(ctx, topology.Silences)
	if err != nil {
		return err
	}
	if err := pipeline.Put(ctx, bucket, s.ID, s); err != nil {
		return err
	}
	all, err := workers.LoadSilences(ctx, p)
	if err != nil {
		return err
	}
	for _, old := range all {
		if time.Since(old.Ends) > silencesKept {
			if err := bucket.Delete(ctx, old.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func silenceListCommand() *cobra.Command {
	var where cli.Instance
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List active and pending silences",
		Example: "  vedette silence list --all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			silences, err := cli.Query(cmd.Context(), &where, workers.LoadSilences)
			if err != nil {
				return err
			}
			now := time.Now()
			silences = slices.DeleteFunc(silences, func(s job.Silence) bool { return !all && !now.Before(s.Ends) })
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(append([]job.Silence{}, silences...))
			}
			return printSilences(cmd.OutOrStdout(), silences, now)
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "also those that ended in the last week")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printSilences(to io.Writer, silences []job.Silence, now time.Time) error {
	if len(silences) == 0 {
		_, err := fmt.Fprintln(to, "no silences")
		return err
	}
	table := cli.NewTable(to)
	cli.Writef(table, "ID\tSTATE\tENDS\tMATCHES\tAUTHOR\tCOMMENT\n")
	for i := range silences {
		s := &silences[i]
		state := "active"
		switch {
		case now.Before(s.Starts):
			state = "pending"
		case !now.Before(s.Ends):
			state = "ended"
		}
		cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, state, cli.TimeText(s.Ends), matchText(s.Match), cli.Printable(s.Author), cli.Printable(s.Comment))
	}
	return table.Flush()
}

// matchText returns a match as arguments for `vedette silence add`.
func matchText(m job.Match) string {
	var words []string
	for _, pattern := range m.Monitors {
		words = append(words, "monitor="+pattern)
	}
	for _, pattern := range m.Groups {
		words = append(words, "group="+pattern)
	}
	var labels []string
	for name, pattern := range m.Labels {
		labels = append(labels, job.GroupByLabel+name+"="+pattern)
	}
	slices.Sort(labels)
	return strings.Join(append(words, labels...), " ")
}

func silenceExpireCommand() *cobra.Command {
	var where cli.Instance
	cmd := &cobra.Command{
		Use:     "expire ID...",
		Short:   "End silences now",
		Example: "  vedette silence expire 7k3mq0aa",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ended, err := cli.Query(cmd.Context(), &where, func(ctx context.Context, p *pipeline.Pipeline) (int, error) {
				return expireSilences(ctx, p, args, time.Now())
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ended %s\n", cli.Count(ended, "silence"))
			return err
		},
	}
	where.Flags(cmd)
	return cmd
}

// expireSilences ends silences, and counts those that had not ended before.
func expireSilences(ctx context.Context, p *pipeline.Pipeline, ids []string, now time.Time) (int, error) {
	bucket, err := p.Bucket(ctx, topology.Silences)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, id := range ids {
		s, written, err := pipeline.Update(ctx, bucket, id, job.Decode[job.Silence], func(s job.Silence) (job.Silence, bool) {
			if !now.Before(s.Ends) {
				return s, false
			}
			s.Ends = now.UTC().Truncate(time.Second)
			if s.Starts.After(s.Ends) {
				s.Starts = s.Ends
			}
			return s, true
		})
		if err != nil {
			return ended, err
		}
		if s.ID == "" {
			return ended, &cli.HintError{Err: fmt.Errorf("end silence: found none with the id %q", id), Hint: "'vedette silence list' shows all"}
		}
		if written {
			ended++
		}
	}
	return ended, nil
}
