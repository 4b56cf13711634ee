package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/workers/notify"
)

// print puts the explanation into words.
func (x *explanation) print(to io.Writer, now time.Time) error {
	m, s := &x.Monitor, &x.State
	cli.Say(to, "%s is %s\n", m.Name, x.standing(now))
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fact := func(name, value string) {
		if value != "" {
			cli.Say(table, "  %s\t%s\n", name, cli.Printable(value))
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
		fact("why "+conditionWords(incident.Condition), why(incident)+", since "+clock(incident.Began))
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
			words = append(words, conditionWords(incident.Condition))
		}
	}
	if x.Monitor.Paused {
		words = append(words, "paused")
	}
	text := strings.Join(words, ", ")
	if s.Incident != nil {
		text += " for " + notify.HumanDuration(now.Sub(s.Incident.Began))
	}
	return text
}

func why(incident *job.Incident) string {
	switch incident.Condition {
	case job.ConditionNoData:
		return notify.MissText(incident.Reason, incident.Detail)
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
			fmt.Fprintf(&b, ", %s", conditionWords(incident.Condition))
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
		return cli.Count(s.MissedSlots, "slot") + " missed"
	default:
		return ""
	}
}

func (x *explanation) printResults(to io.Writer) {
	cli.Say(to, "\nlast results\n")
	if len(x.Results) == 0 {
		cli.Say(to, "  none\n")
	}
	for i := range x.Results {
		r := &x.Results[i]
		if x.Monitor.MultiLocation() {
			cli.Say(to, "  %s", cmp.Or(r.Location, "everywhere"))
		}
		switch {
		case r.Miss != nil:
			cli.Say(to, "  %s  missed    %s\n", clock(r.Slot), cli.Printable(notify.MissText(r.Miss.Reason, r.Miss.Detail)))
		case r.ProbeResult != nil:
			cli.Say(to, "  %s  %-8s  %s  %s\n", clock(r.Slot), r.ProbeResult.Health, r.ProbeResult.Latency.Std().Round(10*time.Microsecond), cli.Printable(r.ProbeResult.Cause))
		}
	}
}

func (x *explanation) printTold(to io.Writer, now time.Time) {
	cli.Say(to, "\nwho is told: %s\n", cmp.Or(strings.Join(x.Readers, ", "), "nobody"))
	for _, hold := range x.Holds {
		cli.Say(to, "  held back: %s\n", holdWords(hold))
	}
	for i := range x.Told {
		told := &x.Told[i]
		if len(told.Account.Incidents) == 0 {
			continue
		}
		cli.Say(to, "  %s\n", told.Mailing.Address)
		for j := range told.Account.Incidents {
			cli.Say(to, "    %s\n", taleWords(&told.Account.Incidents[j]))
		}
		if wake := told.Mailing.NextFlush; notify.Outstanding(told.Account) && wake.After(now) {
			cli.Say(to, "    the next mail may go at %s\n", clock(wake))
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
	text := fmt.Sprintf("%s since %s: ", conditionWords(incident.Condition), clock(incident.Began))
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
