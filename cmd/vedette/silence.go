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
	"text/tabwriter"
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
		Short: "Have nobody mailed of some monitors for a while",
		Long: `While a silence lasts nobody is mailed of the monitors that it matches. They are
checked and judged as ever. Who was told that one is down is told of its end
when the silence ends, and what is still down then is told to all.`,
		Example: `  vedette silence add monitor='db-*' --for 2h --comment 'new disks'
  vedette silence add group=web label.env=prod --until 18:00
  vedette silence list
  vedette silence expire 7k3`,
		Args: cli.CheckSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(silenceAddCommand(), silenceListCommand(), silenceExpireCommand())
	return cmd
}

// silenceOptions are the flags of `vedette silence add`.
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
		Long: `A matcher is monitor=PATTERN, group=PATTERN or label.NAME=PATTERN, where * stands
for any text. A monitor has to fit one of the monitor matchers, one of the group
matchers, and all of the labels.`,
		Example: `  vedette silence add monitor='db-*' --for 2h --comment 'new disks'
  vedette silence add group=web label.env=prod --until 2026-12-01T18:00:00Z`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			silence, err := o.silence(args, time.Now())
			if err != nil {
				return cli.InputError(err)
			}
			return o.add(cmd.Context(), cmd.OutOrStdout(), silence)
		},
	}
	o.where.Flags(cmd)
	cmd.Flags().DurationVar(&o.length, "for", 0, "how long it lasts, such as 2h")
	cmd.Flags().StringVar(&o.until, "until", "", "when it ends: 18:00, today or tomorrow, or a time as of RFC 3339")
	cmd.Flags().StringVar(&o.from, "from", "", "when it begins, in the same forms (default now)")
	cmd.Flags().StringVar(&o.author, "author", "", "who wants it (default the user)")
	cmd.Flags().StringVar(&o.comment, "comment", "", "why")
	return cmd
}

// silence reads the arguments, and shows every mistake at once.
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
		problems = append(problems, errors.New("read end: expected one of --for and --until"))
	case o.length != 0:
		s.Ends = s.Starts.Add(o.length)
	default:
		s.Ends, err = parseMoment("--until", o.until, s.Starts)
		problems = append(problems, err)
	}
	if errors.Join(problems...) == nil && !s.Ends.After(s.Starts) {
		problems = append(problems, fmt.Errorf("read end: found %s, expected a time after the beginning", s.Ends.Format(time.RFC3339)))
	}
	s.Starts, s.Ends = s.Starts.UTC().Truncate(time.Second), s.Ends.UTC().Truncate(time.Second)
	return s, errors.Join(problems...)
}

// parseMoment reads a time of day, the first after another time, or a whole
// time.
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

// silencesKept is how long silences that are over can be listed.
const silencesKept = 7 * 24 * time.Hour

func (o *silenceOptions) add(ctx context.Context, to io.Writer, s job.Silence) error {
	p, err := o.where.Connect(ctx)
	if err != nil {
		return err
	}
	err = addSilence(ctx, p, s)
	if err := cli.JoinClose(p, err); err != nil {
		return err
	}
	_, err = fmt.Fprintf(to, "%s\n", s.ID)
	return err
}

// addSilence stores a silence, and forgets those that were over long ago.
func addSilence(ctx context.Context, p *pipeline.Pipeline, s job.Silence) error {
	bucket, err := p.Bucket(ctx, topology.Silences)
	if err != nil {
		return err
	}
	body, err := job.Encode(s)
	if err != nil {
		return err
	}
	if _, err := bucket.Put(ctx, s.ID, body); err != nil {
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
		Short:   "List the silences that hold, or will",
		Example: "  vedette silence list --all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := where.Connect(cmd.Context())
			if err != nil {
				return err
			}
			silences, err := workers.LoadSilences(cmd.Context(), p)
			if err := cli.JoinClose(p, err); err != nil {
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
	cmd.Flags().BoolVar(&all, "all", false, "those that are over too, for a week")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printSilences(to io.Writer, silences []job.Silence, now time.Time) error {
	if len(silences) == 0 {
		_, err := fmt.Fprintln(to, "no silences")
		return err
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	cli.Writef(table, "ID\tSTATE\tENDS\tMATCHES\tAUTHOR\tCOMMENT\n")
	for i := range silences {
		s := &silences[i]
		state := "active"
		switch {
		case now.Before(s.Starts):
			state = "pending"
		case !now.Before(s.Ends):
			state = "over"
		}
		cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, state, s.Ends.Local().Format(time.DateTime), matchText(s.Match), cli.Printable(s.Author), cli.Printable(s.Comment))
	}
	return table.Flush()
}

// matchText writes a match as `vedette silence add` takes it.
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
			p, err := where.Connect(cmd.Context())
			if err != nil {
				return err
			}
			ended, err := expireSilences(cmd.Context(), p, args, time.Now())
			if err := cli.JoinClose(p, err); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ended %s\n", cli.Count(ended, "silence"))
			return err
		},
	}
	where.Flags(cmd)
	return cmd
}

// expireSilences ends silences. Those that are over stay as they are.
func expireSilences(ctx context.Context, p *pipeline.Pipeline, ids []string, now time.Time) (int, error) {
	bucket, err := p.Bucket(ctx, topology.Silences)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, id := range ids {
		found, err := bucket.Get(ctx, id)
		if errors.Is(err, pipeline.ErrNotFound) {
			return ended, &cli.HintError{Err: fmt.Errorf("end silence: found none with id %q", id), Hint: "'vedette silence list' shows those that there are"}
		}
		if err != nil {
			return ended, err
		}
		s, err := job.Decode[job.Silence](found.Value)
		if err != nil {
			return ended, fmt.Errorf("read silence %s: %w", id, err)
		}
		if !now.Before(s.Ends) {
			continue
		}
		s.Ends = now.UTC().Truncate(time.Second)
		if s.Starts.After(s.Ends) {
			s.Starts = s.Ends
		}
		body, err := job.Encode(s)
		if err != nil {
			return ended, err
		}
		if _, err := bucket.CompareAndSwap(ctx, id, body, found.Revision); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}
