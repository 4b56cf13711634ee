package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/workers/health"
)

// psOptions are the flags for `vedette ps`.
type psOptions struct {
	where      cli.Instance
	tree, json bool
	wait       time.Duration
}

func psCommand() *cobra.Command {
	options := psOptions{where: cli.Instance{Tolerant: true}}
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "Show all processes and their supervised children",
		Long: `Asks all processes in the installation over NATS, and shows their supervised
children: the state and its duration, the number of starts (incarnation) and of
restarts after failures, running jobs and their limit, and the last failure.

What a process lacks for its work, such as storage or a relay, is shown below its
children: see 'vedette doctor'.

Processes that hold a lease but do not answer are shown as silent, and the exit
code is 1. They hang, or died less than half a minute ago.

States: running; starting, stopping; waiting (failed, restarts soon); parked (failed
too often, retried at intervals); idle (stopped together with a failed child that it
depends on); stuck (did not stop when asked to).

The processes also implement the NATS service protocol: 'nats micro list'.`,
		Example: `  vedette ps
  vedette ps --tree
  vedette ps --json --nats nats://n1:4222 | jq '.processes[].process.name'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.tree && options.json {
				return cli.UsageError(cmd, errors.New("read flags: found --tree and --json, expected one of them"))
			}
			return options.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	options.where.Flags(cmd)
	cmd.Flags().BoolVar(&options.tree, "tree", false, "show each process as a tree")
	cmd.Flags().BoolVar(&options.json, "json", false, "print JSON")
	cmd.Flags().DurationVar(&options.wait, "wait", 2*time.Second, "wait this long for processes that hold a lease")
	return cmd
}

// processList has the processes that answered, and those that did not.
type processList struct {
	Processes []job.ProcessStatus `json:"processes"`
	Silent    []job.Process       `json:"silent,omitempty"`
}

func (o psOptions) run(ctx context.Context, to io.Writer) error {
	list, err := cli.Query(ctx, &o.where, func(ctx context.Context, p *pipeline.Pipeline) (l processList, err error) {
		l.Processes, l.Silent, err = process.Ask(ctx, p, o.wait)
		return l, err
	})
	if err == nil && len(list.Processes)+len(list.Silent) == 0 {
		err = cli.ErrNoProcess
	}
	if last, faulty := o.where.LastWord(); faulty && !o.json && len(list.Processes) == 0 {
		printFaults(to, last, time.Now())
	}
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	switch {
	case o.json:
		err = cli.PrintJSON(to, list)
	case o.tree:
		err = list.printTree(to, time.Now())
	default:
		err = list.printTable(to, time.Now())
	}
	if err != nil {
		return fmt.Errorf("print processes: %w", err)
	}
	if len(list.Silent) > 0 {
		return cli.ErrFound
	}
	return nil
}

func (l processList) printTable(to io.Writer, now time.Time) error {
	table := newTrimmedTable(to)
	cli.Writef(table, "PROCESS\tHOST\tCHILD\tSTATE\tUP\tINCARNATION\tRESTARTS\tJOBS\tLAST FAILURE\n")
	for _, answer := range l.Processes {
		for _, row := range childRows(answer.Children, "", pathNames) {
			c := row.child
			cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", answer.Process.Name, answer.Process.Host, row.name,
				c.State, ageText(now, c.Since), c.Incarnation, c.Restarts, jobsText(c.Jobs), failureText(c.LastFailure, now))
		}
	}
	for _, p := range l.Silent {
		cli.Writef(table, "%s\t%s\t-\tsilent\t-\t-\t-\t-\tholds a lease and does not answer\n", p.Name, p.Host)
	}
	if err := table.flush(); err != nil {
		return err
	}
	for _, answer := range l.Processes {
		printFaults(to, answer, now)
	}
	return nil
}

// printFaults prints what a process lacks for its work.
func printFaults(to io.Writer, answer job.ProcessStatus, now time.Time) {
	for _, c := range health.Failing(answer.Conditions) {
		cli.Writef(to, "%s  %s has failed%s: %s\n", answer.Process.Name, c.Name, sinceText(c.Since, now), cli.Printable(c.Detail))
	}
}

func (l processList) printTree(to io.Writer, now time.Time) error {
	table := newTrimmedTable(to)
	for _, answer := range l.Processes {
		p := answer.Process
		cli.Writef(table, "%s  pid %d on %s, version %s, up %s\n", p.Name, p.PID, p.Host, p.Version, ageText(now, p.Started))
		for _, row := range childRows(answer.Children, "", treeNames) {
			c := row.child
			cli.Writef(table, "%s\t%s\t%s\t%s\t%s\t%s\n", row.name, c.State, ageText(now, c.Since), c.Strategy+jobsText(c.Jobs), restartText(c), failureText(c.LastFailure, now))
		}
		if err := table.flush(); err != nil {
			return err
		}
		printFaults(to, answer, now)
	}
	for _, p := range l.Silent {
		cli.Writef(table, "%s  pid %d on %s: silent, it holds a lease and does not answer\n", p.Name, p.PID, p.Host)
	}
	return table.flush()
}

// trimmedTable aligns columns, and removes blanks at the end of lines.
type trimmedTable struct {
	*tabwriter.Writer

	aligned *bytes.Buffer
	to      io.Writer
}

func newTrimmedTable(to io.Writer) *trimmedTable {
	var aligned bytes.Buffer
	return &trimmedTable{Writer: cli.NewTable(&aligned), aligned: &aligned, to: to}
}

// flush prints the rows so far. Later rows have their own columns.
func (t *trimmedTable) flush() error {
	err := t.Flush()
	for text := range strings.Lines(t.aligned.String()) {
		if err == nil {
			_, err = fmt.Fprintln(t.to, strings.TrimRight(text, " \n"))
		}
	}
	t.aligned.Reset()
	return err
}

// childRow is a child with its name in the tree.
type childRow struct {
	name  string
	child job.ChildStatus
}

// naming returns a child's name in the tree, and the prefix for its own children.
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

// ageText returns the time since then in at most two units, "?" if it is unknown.
func ageText(now, then time.Time) string {
	if then.IsZero() {
		return "?"
	}
	d := max(0, now.Sub(then))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
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

func failureText(f *job.ChildFailure, now time.Time) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("%s %s ago: %s", f.Class, ageText(now, f.At), cli.Truncate(strings.Join(strings.Fields(f.Error), " ")))
}
