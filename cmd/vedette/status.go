package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/process"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/health"
	"vedette/workers/notify"
)

func statusCommand() *cobra.Command {
	where := cli.Instance{Tolerant: true}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show all problems on one screen",
		Long: `Counts the monitors, and lists those that are down, degraded, flapping or without
data, the silences and maintenance windows in effect, and the number of dead
letters. First it shows what Vedette itself lacks for its work, such as storage or
a relay: see 'vedette doctor'. Exits with 1 when a monitor is down, or Vedette
lacks something. While the streams cannot be read, it shows only that.`,
		Example: "  vedette status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := cli.Query(cmd.Context(), &where, readStatus)
			if last, faulty := where.LastWord(); faulty && err != nil {
				s, err = lastStatus(last, err), nil
			} else if faulty && s.silent {
				s.addFaults(last)
			}
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			} else {
				err = s.printText(cmd.OutOrStdout(), time.Now())
			}
			if err == nil && s.Down+len(s.Faults) > 0 {
				err = cli.ErrFound
			}
			return err
		},
	}
	where.Flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// status is all problems at one time.
type status struct {
	Monitors int `json:"monitors"`
	Down     int `json:"down"`
	Paused   int `json:"paused"`
	// Problems are the open incidents, worst first.
	Problems    []job.Incident `json:"problems"`
	Silences    []job.Silence  `json:"silences"`
	Maintenance []notify.Mute  `json:"maintenance"`
	DeadLetters uint64         `json:"dead_letters"`
	// Faults are what the processes of Vedette lack for their work.
	Faults []processFault `json:"faults"`
	// Unread says why the rest could not be read; it is empty if it was.
	Unread string `json:"unread,omitempty"`

	silent bool // no process answered
}

// processFault is a condition that a process does not meet.
type processFault struct {
	Process string `json:"process"`
	Host    string `json:"host"`
	job.ProcessCondition
}

// readFaults asks the processes for their conditions.
func (s *status) readFaults(ctx context.Context, p *pipeline.Pipeline) error {
	answers, silent, err := process.Ask(ctx, p, 2*time.Second)
	if err != nil {
		return err
	}
	s.silent = len(answers) == 0
	for _, answer := range answers {
		s.addFaults(answer)
	}
	for _, gone := range silent {
		s.Faults = append(s.Faults, processFault{gone.Name, gone.Host, job.ProcessCondition{
			Name: job.ProcessRunning, Detail: "it holds a lease and does not answer",
		}})
	}
	return nil
}

// statusTimeout bounds the time for all that is read from streams: while they
// cannot be read, that takes long.
const statusTimeout = 20 * time.Second

// readStatus reads the faults first. If there are some, it is no error that the
// rest cannot be read.
func readStatus(ctx context.Context, p *pipeline.Pipeline) (*status, error) {
	s := newStatus()
	if err := s.readFaults(ctx, p); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	if err := s.readMonitors(limited, p); err != nil {
		if len(s.Faults) == 0 || ctx.Err() != nil {
			return nil, err
		}
		s.Unread = err.Error()
	}
	return s, nil
}

// lastStatus is the status of a process that cannot be reached.
func lastStatus(last job.ProcessStatus, err error) *status {
	s := newStatus()
	s.Unread = err.Error()
	s.addFaults(last)
	return s
}

func newStatus() *status {
	return &status{Problems: []job.Incident{}, Silences: []job.Silence{}, Maintenance: []notify.Mute{}, Faults: []processFault{}}
}

func (s *status) addFaults(answer job.ProcessStatus) {
	for _, c := range health.Failing(answer.Conditions) {
		s.Faults = append(s.Faults, processFault{answer.Process.Name, answer.Process.Host, c})
	}
}

func (s *status) readMonitors(ctx context.Context, p *pipeline.Pipeline) error {
	defined, err := s.monitors(ctx, p)
	if err != nil {
		return err
	}
	states, err := pipeline.LoadAll(ctx, p, topology.States, ">", job.DecodeKnown[job.State])
	if err != nil {
		return err
	}
	for i := range states {
		state := &states[i]
		for _, incident := range state.Open() {
			if defined[state.Monitor] {
				s.Problems = append(s.Problems, *incident)
			}
		}
		if state.Incident != nil && defined[state.Monitor] {
			s.Down++
		}
	}
	slices.SortFunc(s.Problems, func(a, b job.Incident) int {
		return cmp.Or(cmp.Compare(conditionRank(a.Condition), conditionRank(b.Condition)), a.Began.Compare(b.Began), strings.Compare(a.Monitor, b.Monitor))
	})
	if s.DeadLetters, err = inspect.Count(ctx, p, topology.Dead); err != nil {
		return err
	}
	return s.readMutes(ctx, p, time.Now())
}

func conditionRank(c job.Condition) int {
	return slices.Index([]job.Condition{job.ConditionDown, job.ConditionNoData, job.ConditionFlapping, job.ConditionDegraded}, c)
}

// monitors counts the definitions, and returns their names.
func (s *status) monitors(ctx context.Context, p *pipeline.Pipeline) (map[string]bool, error) {
	monitors, err := pipeline.LoadAll(ctx, p, topology.Monitors, topology.MonitorKey(">"), job.DecodeKnown[job.Monitor])
	s.Monitors = len(monitors)
	defined := make(map[string]bool, len(monitors))
	for i := range monitors {
		defined[monitors[i].Name] = true
		if monitors[i].Paused {
			s.Paused++
		}
	}
	return defined, err
}

// readMutes reads the silences and maintenance windows in effect.
func (s *status) readMutes(ctx context.Context, p *pipeline.Pipeline, now time.Time) error {
	_, mutes, err := workers.LoadRecipients(ctx, p)
	if err != nil {
		return err
	}
	s.Silences = append(s.Silences, mutes.ActiveSilences(now)...)
	s.Maintenance = append(s.Maintenance, mutes.OpenWindows(now)...)
	return nil
}

// maxProblems is how many fit on a screen.
const maxProblems = 20

func (s *status) printText(to io.Writer, now time.Time) error {
	for i := range s.Faults {
		fault := &s.Faults[i]
		cli.Writef(to, "VEDETTE: %s of process %s has failed%s: %s\n", fault.Name, fault.Process, sinceText(fault.Since, now), cli.Printable(fault.Detail))
	}
	if s.Unread != "" {
		cli.Writef(to, "the monitors could not be read: %s\n", cli.Printable(s.Unread))
		return nil
	}
	cli.Writef(to, "%s: %d down%s\n", cli.Count(s.Monitors, "monitor"), s.Down, s.otherCounts())
	table := cli.NewTable(to)
	for i := range s.Problems[:min(maxProblems, len(s.Problems))] {
		incident := &s.Problems[i]
		cli.Writef(table, "  %s\t%s\tfor %s\t%s\n", strings.ToUpper(conditionText(incident.Condition)), monitorText(incident), notify.HumanBetween(incident.Began, now), cli.Printable(causeText(incident)))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := len(s.Problems) - maxProblems; more > 0 {
		cli.Writef(to, "  … and %d more\n", more)
	}
	for i := range s.Silences {
		silence := &s.Silences[i]
		cli.Writef(to, "silence %s for %s until %s, by %s\n", silence.ID, matchText(silence.Match), cli.TimeText(silence.Ends), cli.Printable(silence.Author))
	}
	for _, window := range s.Maintenance {
		cli.Writef(to, "maintenance %s until %s\n", window.By, cli.TimeText(window.Until))
	}
	if s.DeadLetters > 0 {
		cli.Writef(to, "%s: see 'vedette dead list'\n", cli.Count(int(s.DeadLetters), "dead letter")) //nolint:gosec // bounded by the stream
	}
	return nil
}

// sinceText is how long a condition has failed, if that is known.
func sinceText(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return " for " + notify.HumanBetween(since, now)
}

// monitorText is the monitor, with the location for one of several.
func monitorText(incident *job.Incident) string {
	if incident.OfOneLocation() {
		return incident.Monitor + " from " + incident.Location
	}
	return incident.Monitor
}

// otherCounts counts the other problems, and paused monitors.
func (s *status) otherCounts() string {
	counts := map[job.Condition]int{}
	for i := range s.Problems {
		counts[s.Problems[i].Condition]++
	}
	var b strings.Builder
	for _, c := range []job.Condition{job.ConditionNoData, job.ConditionFlapping, job.ConditionDegraded} {
		if counts[c] > 0 {
			fmt.Fprintf(&b, ", %d %s", counts[c], conditionText(c))
		}
	}
	if s.Paused > 0 {
		fmt.Fprintf(&b, ", %d paused", s.Paused)
	}
	return b.String()
}
