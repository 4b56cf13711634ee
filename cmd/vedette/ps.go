package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
)

// psOptions are the flags of `vedette ps`.
type psOptions struct {
	where      cli.Instance
	tree, json bool
	wait       time.Duration
}

func psCommand() *cobra.Command {
	var options psOptions
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show what runs: every part of every process of the installation",
		Long: `Asks all processes of the installation over NATS what they do, and shows their
supervised parts: the state and since when, how often each was started
(incarnation) and how often of that because it had failed (restarts), the jobs
that run of those that may, and the last failure.

Processes that hold a lease but do not answer are shown as silent; then the exit
code is 1. They hang, or died less than half a minute ago.

States: running; starting, stopping; waiting (failed, started again in a
moment); parked (failed too often, tried again now and then); idle (down with
the part it stands on); stuck (was told to stop, and did not).

The processes answer NATS's protocol for services too: 'nats micro list'.`,
		Example: `  vedette ps
  vedette ps --tree
  vedette ps --json --nats nats://n1:4222 | jq '.processes[].process.name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return options.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	options.where.Flags(cmd)
	cmd.Flags().BoolVar(&options.tree, "tree", false, "show each process as a tree")
	cmd.Flags().BoolVar(&options.json, "json", false, "print JSON")
	cmd.Flags().DurationVar(&options.wait, "wait", 2*time.Second, "wait this long for processes that are known to be there")
	return cmd
}

// errNobodyRuns is returned when no process answers.
var errNoProcess = errors.New("no process answers")

func (o psOptions) run(ctx context.Context, to io.Writer) error {
	if o.tree && o.json {
		return cli.InputError(errors.New("read flags: found --tree and --json, expected one or the other"))
	}
	p, err := o.where.Connect(ctx)
	if err != nil {
		return err
	}
	answers, silent, err := process.Ask(ctx, p, o.wait)
	if err := cli.JoinClose(p, err); err != nil {
		return err
	}
	if len(answers)+len(silent) == 0 {
		return fmt.Errorf("list processes: %w", errNoProcess)
	}
	show := showProcesses
	switch {
	case o.json:
		show = jsonProcesses
	case o.tree:
		show = treeProcesses
	}
	if err := show(to, answers, silent, time.Now()); err != nil {
		return err
	}
	if len(silent) > 0 {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return nil
}

func jsonProcesses(to io.Writer, answers []job.ProcessStatus, silent []job.Process, _ time.Time) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(struct {
		Processes []job.ProcessStatus `json:"processes"`
		Silent    []job.Process       `json:"silent,omitempty"`
	}{answers, silent}); err != nil {
		return fmt.Errorf("print processes: %w", err)
	}
	return nil
}

func showProcesses(to io.Writer, answers []job.ProcessStatus, silent []job.Process, now time.Time) error {
	table := newTable(to)
	cli.Writef(table, "PROCESS\tHOST\tPART\tSTATE\tUP\tINCARNATION\tRESTARTS\tJOBS\tLAST FAILURE\n")
	for _, answer := range answers {
		for _, line := range childRows(answer.Children, "", pathNames) {
			c := line.child
			cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", answer.Process.Name, answer.Process.Host, line.name,
				c.State, ageText(now, c.Since), c.Incarnation, c.Restarts, jobsText(c.Jobs), failureText(c.LastFailure, now))
		}
	}
	for _, member := range silent {
		cli.Writef(table, "%s\t%s\t-\tsilent\t-\t-\t-\t-\tholds a lease and does not answer\n", member.Name, member.Host)
	}
	return table.flush()
}

func treeProcesses(to io.Writer, answers []job.ProcessStatus, silent []job.Process, now time.Time) error {
	table := newTable(to)
	for _, answer := range answers {
		p := answer.Process
		cli.Writef(table, "%s  pid %d on %s, version %s, up %s\n", p.Name, p.PID, p.Host, p.Version, ageText(now, p.Started))
		for _, line := range childRows(answer.Children, "", treeNames) {
			c := line.child
			cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%s\n", line.name, c.State, ageText(now, c.Since), c.Strategy+jobsText(c.Jobs), restartText(c), failureText(c.LastFailure, now))
		}
		if err := table.flush(); err != nil {
			return err
		}
	}
	for _, p := range silent {
		cli.Writef(table, "%s  pid %d on %s: silent, it holds a lease and does not answer\n", p.Name, p.PID, p.Host)
	}
	return table.flush()
}

// psTable aligns columns, and leaves no blanks at the end of a line.
type psTable struct {
	*tabwriter.Writer

	aligned *bytes.Buffer
	to      io.Writer
}

func newTable(to io.Writer) *psTable {
	var aligned bytes.Buffer
	return &psTable{Writer: tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0), aligned: &aligned, to: to}
}

// flush prints what was written so far. What follows has columns of its own.
func (t *psTable) flush() error {
	err := t.Flush()
	for text := range strings.Lines(t.aligned.String()) {
		if err == nil {
			_, err = fmt.Fprintln(t.to, strings.TrimRight(text, " \n"))
		}
	}
	t.aligned.Reset()
	if err != nil {
		return fmt.Errorf("print processes: %w", err)
	}
	return nil
}

// line is a part of a process, as its place in the tree names it.
type childRow struct {
	name  string
	child job.ChildStatus
}

// naming makes a part's name of that of what it belongs to, and the beginning
// of the names of those that belong to it.
type naming func(prefix, name string, last bool) (own, below string)

func pathNames(prefix, name string, _ bool) (own, below string) {
	return prefix + name, prefix + name + "/"
}

func treeNames(prefix, name string, last bool) (own, below string) {
	if last {
		return prefix + "└── " + name, prefix + "    "
	}
	return prefix + "├── " + name, prefix + "│   "
}

func childRows(children []job.ChildStatus, prefix string, name naming) []childRow {
	var all []childRow
	for i, c := range children {
		own, below := name(prefix, c.Name, i == len(children)-1)
		all = append(all, childRow{own, c})
		all = append(all, childRows(c.Children, below, name)...)
	}
	return all
}

// ageText is how long ago a time was, in at most two units.
func ageText(now, then time.Time) string {
	d := max(0, now.Sub(then))
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

func jobsText(j *job.ChildJobs) string {
	if j == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", j.Running, j.Limit)
}

func restartText(c job.ChildStatus) string {
	if c.Incarnation < 2 {
		return ""
	}
	return fmt.Sprintf("incarnation %d, restarts %d", c.Incarnation, c.Restarts)
}

// maxFailure bounds a failure's text in a table; JSON has all of it.
const maxFailure = 80

func failureText(f *job.ChildFailure, now time.Time) string {
	if f == nil {
		return ""
	}
	text := []rune(strings.Join(strings.Fields(f.Error), " "))
	if len(text) > maxFailure {
		text = append(text[:maxFailure-1], '…')
	}
	return fmt.Sprintf("%s %s ago: %s", f.Class, ageText(now, f.At), string(text))
}
