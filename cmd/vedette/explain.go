package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/notify"
)

func explainCommand() *cobra.Command {
	var where instance
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain MONITOR",
		Short: "Tell what a monitor is, why, and who was told of it",
		Long: `Shows a monitor's state and why it is so, its last results, what each address
was told of it and is owed, when the next mail may go and what holds it back.
Exits with 1 when the monitor is down.`,
		Example: "  vedette explain website",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := where.connect(cmd.Context())
			if err != nil {
				return err
			}
			found, err := explain(cmd.Context(), p, args[0], time.Now())
			if err := closing(p, err); err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(found)
			} else {
				err = found.print(cmd.OutOrStdout(), time.Now())
			}
			if err == nil && found.State.Health == job.Down {
				err = &exitError{code: exitDown}
			}
			return err
		},
	}
	where.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explanation is all that is known of a monitor.
type explanation struct {
	Monitor job.Monitor `json:"monitor"`
	// State is empty for a monitor that was never anything but up.
	State job.State `json:"state"`
	// Results are the last ones, oldest first.
	Results []job.Result `json:"results"`
	// Holds are what keeps mails back at the moment.
	Holds []notify.Mute `json:"holds,omitempty"`
	// Readers are the addresses that are told, Told what they were.
	Readers []string          `json:"readers"`
	Told    []notify.Standing `json:"told"`
}

const (
	// explainResults is how many results are shown, of each location.
	explainResults = 5
	// explainTime bounds the reading of results.
	explainTime = 3 * time.Second
	// minPast is how far back results are read at least.
	minPast = 2 * time.Minute
)

func explain(ctx context.Context, p *pipeline.Pipeline, name string, now time.Time) (*explanation, error) {
	definitions, err := p.Bucket(ctx, topology.Monitors)
	if err != nil {
		return nil, err
	}
	entry, err := definitions.Get(ctx, topology.MonitorKey(name))
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil, &hintError{err: fmt.Errorf("explain monitor: found none named %q", name), hint: "'vedette status' shows those that there are"}
	}
	if err != nil {
		return nil, err
	}
	x := &explanation{}
	if x.Monitor, err = job.DecodeKnown[job.Monitor](entry.Value); err != nil {
		return nil, err
	}
	if x.State, err = readState(ctx, p, name); err != nil {
		return nil, err
	}
	book, quiet, err := readPeople(ctx, p, definitions)
	if err != nil {
		return nil, err
	}
	x.Readers, _ = book.Resolve(x.Monitor.Notify)
	if err := x.holds(ctx, p, quiet, now); err != nil {
		return nil, err
	}
	store, err := workers.OpenLedger(ctx, p)
	if err != nil {
		return nil, err
	}
	if x.Told, err = notify.Standings(ctx, store, name); err != nil {
		return nil, err
	}
	if err := x.readResults(ctx, p); err != nil {
		return nil, err
	}
	return x, nil
}

func readState(ctx context.Context, p *pipeline.Pipeline, name string) (job.State, error) {
	states, err := p.Bucket(ctx, topology.States)
	if err != nil {
		return job.State{}, err
	}
	entry, err := states.Get(ctx, name)
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.State{}, nil
	}
	if err != nil {
		return job.State{}, err
	}
	return job.DecodeKnown[job.State](entry.Value)
}

// readPeople reads who is told, and who wants no mail.
func readPeople(ctx context.Context, p *pipeline.Pipeline, definitions *pipeline.Bucket) (*notify.Book, *notify.Quiet, error) {
	book, quiet := &notify.Book{}, &notify.Quiet{}
	recipients, err := definitions.LoadMatching(ctx, topology.RecipientKey(">"))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range recipients {
		recipient, err := job.DecodeKnown[job.Recipient](e.Value)
		if err != nil {
			return nil, nil, err
		}
		book.Set(recipient)
	}
	entry, err := definitions.Get(ctx, topology.SettingsKey)
	if err == nil {
		settings, err := job.DecodeKnown[job.Settings](entry.Value)
		if err != nil {
			return nil, nil, err
		}
		book.SetSettings(settings)
		if err := quiet.SetWindows(settings.Maintenance); err != nil {
			return nil, nil, err
		}
	} else if !errors.Is(err, pipeline.ErrNotFound) {
		return nil, nil, err
	}
	silences, err := loadSilences(ctx, p)
	for _, s := range silences {
		quiet.Set(s)
	}
	return book, quiet, err
}

// holds finds out what holds mails back.
func (x *explanation) holds(ctx context.Context, p *pipeline.Pipeline, quiet *notify.Quiet, now time.Time) error {
	m := &x.Monitor
	if hold := quiet.Hold(&job.Incident{Monitor: m.Name, Group: m.Group, Labels: m.Labels}, now); hold.Kind != "" {
		x.Holds = append(x.Holds, hold)
	}
	if x.State.Flapping != nil {
		x.Holds = append(x.Holds, notify.Mute{Kind: notify.MuteFlapping})
	}
	for _, parent := range m.DependsOn {
		state, err := readState(ctx, p, parent)
		if err != nil {
			return err
		}
		if state.Incident != nil {
			x.Holds = append(x.Holds, notify.Mute{Kind: notify.MuteParent, By: parent})
		}
	}
	return nil
}

func (x *explanation) readResults(ctx context.Context, p *pipeline.Pipeline) error {
	limited, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	since := max(minPast, explainResults*cmp.Or(x.Monitor.Interval.Std(), time.Hour))
	_, err := inspect.ReadSince(limited, p, topology.Result, since, func(d pipeline.Delivery) {
		batch, err := job.DecodeKnown[job.Results](d.Body)
		if err != nil {
			return // the evaluator buries it
		}
		for i := range batch.Results {
			if batch.Results[i].Monitor == x.Monitor.Name {
				x.Results = append(x.Results, batch.Results[i])
			}
		}
	})
	x.Results = x.Results[max(0, len(x.Results)-explainResults*len(x.Monitor.CheckLocations())):]
	return err
}

// print puts the explanation into words.
func (x *explanation) print(to io.Writer, now time.Time) error {
	m, s := &x.Monitor, &x.State
	say(to, "%s is %s\n", m.Name, x.standing(now))
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fact := func(name, value string) {
		if value != "" {
			say(table, "  %s\t%s\n", name, printable(value))
		}
	}
	fact("target", m.Target())
	fact("schedule", cmp.Or(m.Cron, "every "+m.Interval.String()))
	fact("group", m.Group)
	fact("locations", placesWords(m))
	fact("depends on", strings.Join(m.DependsOn, ", "))
	for _, incident := range s.Open() {
		if incident.OfOneLocation() {
			continue // it is told with its location
		}
		fact("why "+string(incident.Condition), why(incident)+", since "+clock(incident.Began))
	}
	fact("on the way", onTheWay(s, m))
	for i := range s.Locations {
		own := &s.Locations[i]
		fact("from "+own.Location, seenWords(own, m))
	}
	if s.Certificate != nil {
		fact("certificate", "ends "+clock(s.Certificate.Expires))
	}
	fact("last good", clock(s.LastUp))
	if err := table.Flush(); err != nil {
		return err
	}
	x.printResults(to)
	x.printTold(to, now)
	return nil
}

// standing is what the monitor is, in a few words.
func (x *explanation) standing(now time.Time) string {
	s := &x.State
	words := []string{string(cmp.Or(s.Health, job.Up))}
	checked := slices.ContainsFunc(x.Results, func(r job.Result) bool { return r.ProbeResult != nil })
	if s.Health == "" && !checked {
		words[0] = string(job.Pending)
	}
	for _, incident := range s.Open() {
		if incident.Condition != job.ConditionDown && !incident.OfOneLocation() {
			words = append(words, string(incident.Condition))
		}
	}
	if x.Monitor.Paused {
		words = append(words, "paused")
	}
	text := strings.Join(words, ", ")
	if s.Incident != nil {
		text += " for " + notify.Lasted(now.Sub(s.Incident.Began))
	}
	return text
}

func why(incident *job.Incident) string {
	switch incident.Condition {
	case job.ConditionNoData:
		return notify.Reason(incident.Reason)
	case job.ConditionFlapping:
		return "its results change too often"
	case job.ConditionDown, job.ConditionDegraded, job.ConditionCertificate:
		return cmp.Or(incident.ProbeResult.Cause, string(incident.ProbeResult.Class))
	default:
		return string(incident.Condition)
	}
}

// placesWords is where a monitor is checked; empty where all are that say
// nothing.
func placesWords(m *job.Monitor) string {
	text := strings.Join(m.Locations, ", ")
	if m.MultiLocation() {
		text += fmt.Sprintf("; %d of %d make it down", m.RequiredVotes(), len(m.Locations))
	}
	return text
}

// seenWords is what one of several locations finds.
func seenWords(own *job.State, m *job.Monitor) string {
	var b strings.Builder
	b.WriteString(string(cmp.Or(own.Health, job.Pending)))
	for _, incident := range own.Open() {
		if incident.Condition != job.ConditionDown {
			fmt.Fprintf(&b, ", %s", incident.Condition)
		}
		fmt.Fprintf(&b, " since %s: %s", clock(incident.Began), why(incident))
	}
	if way := onTheWay(own, m); way != "" {
		fmt.Fprintf(&b, " (%s)", way)
	}
	return b.String()
}

// onTheWay is what results in a row would change if they went on.
func onTheWay(s *job.State, m *job.Monitor) string {
	switch {
	case s.Health == job.Down && s.Successes > 0:
		return fmt.Sprintf("%d of %d successes to be up", s.Successes, m.SuccessThreshold)
	case s.Health != job.Down && s.Failures > 0 && s.Window != "":
		return fmt.Sprintf("%d of %d failures among %d to be down", strings.Count(s.Window, "d"), m.FailureThreshold, m.FailureWindow)
	case s.Health != job.Down && s.Failures > 0:
		return fmt.Sprintf("%d of %d failures to be down", s.Failures, m.FailureThreshold)
	case s.MissedSlots > 0 && s.NoData == nil:
		return count(s.MissedSlots, "slot") + " missed"
	default:
		return ""
	}
}

func (x *explanation) printResults(to io.Writer) {
	say(to, "\nlast results\n")
	if len(x.Results) == 0 {
		say(to, "  none\n")
	}
	for i := range x.Results {
		r := &x.Results[i]
		if x.Monitor.MultiLocation() {
			say(to, "  %s", cmp.Or(r.Location, "everywhere"))
		}
		switch {
		case r.Miss != nil:
			say(to, "  %s  missed    %s\n", clock(r.Slot), printable(notify.Reason(string(r.Miss.Reason))))
		case r.ProbeResult != nil:
			say(to, "  %s  %-8s  %s  %s\n", clock(r.Slot), r.ProbeResult.Health, r.ProbeResult.Latency.Std().Round(10*time.Microsecond), printable(r.ProbeResult.Cause))
		}
	}
}

func (x *explanation) printTold(to io.Writer, now time.Time) {
	say(to, "\nwho is told: %s\n", cmp.Or(strings.Join(x.Readers, ", "), "nobody"))
	for _, hold := range x.Holds {
		say(to, "  held back: %s\n", holdWords(hold))
	}
	for i := range x.Told {
		told := &x.Told[i]
		if len(told.Account.Incidents) == 0 {
			continue
		}
		say(to, "  %s\n", told.Mailing.Address)
		for j := range told.Account.Incidents {
			say(to, "    %s\n", taleWords(&told.Account.Incidents[j]))
		}
		if wake := told.Mailing.NextFlush; notify.HasNews(told.Account) && wake.After(now) {
			say(to, "    the next mail may go at %s\n", clock(wake))
		}
	}
}

func holdWords(hold notify.Mute) string {
	text := string(hold.Kind)
	if hold.By != "" {
		text += " " + hold.By
	}
	switch hold.Kind {
	case notify.MuteParent:
		text = hold.By + " is down, which it depends on"
	case notify.MuteFlapping:
		text = "it is flapping; single changes are not mailed"
	case notify.MuteSilence, notify.MuteMaintenance, notify.MutePending:
	}
	if !hold.Until.IsZero() {
		text += ", until " + clock(hold.Until)
	}
	return text
}

// taleWords is what an address knows of an incident, and is owed.
func taleWords(tale *job.Notified) string {
	incident := &tale.Incident
	text := fmt.Sprintf("%s since %s: ", incident.Condition, clock(incident.Began))
	switch {
	case tale.NotifiedBy == "" && tale.Resolution == nil:
		return text + "not told yet"
	case tale.NotifiedBy == "":
		return text + "over, and not told yet"
	case tale.Resolution == nil:
		return text + "told at " + clock(tale.NotifiedAt) + ", in mail " + tale.NotifiedBy
	case tale.ResolvedBy == "":
		return text + "told at " + clock(tale.NotifiedAt) + "; owed its end of " + clock(tale.Resolution.At)
	default:
		return text + "told, and its end too, in mail " + tale.ResolvedBy
	}
}

// clock is a time for people at a terminal; empty for none.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}
