package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/mailstatus"
	"vedette/pipeline/job"
	"vedette/workers"
	"vedette/workers/notify"
)

// printText writes the explanation for people.
func (x *explanation) printText(to io.Writer, now time.Time) error {
	m, s := &x.Monitor, &x.State
	cli.Writef(to, "%s is %s\n", m.Name, x.summary(now))
	table := cli.NewTable(to)
	fact := func(name, value string) {
		if value != "" {
			cli.Writef(table, "  %s\t%s\n", name, cli.Printable(value))
		}
	}
	fact("target", m.Target())
	fact("schedule", cmp.Or(m.Cron, "every "+m.Interval.String()))
	fact("group", m.Group)
	fact("locations", locationsText(m))
	fact("depends on", strings.Join(m.DependsOn, ", "))
	for _, incident := range s.Open() {
		if incident.OfOneLocation() {
			continue // shown with its location
		}
		fact("why "+conditionText(incident.Condition), causeText(incident)+", since "+cli.TimeText(incident.Began))
	}
	fact("pending", pendingText(s, m))
	for i := range s.Locations {
		own := &s.Locations[i]
		fact("from "+own.Location, locationText(own, m))
	}
	if s.Certificate != nil {
		fact("certificate", "expires "+cli.TimeText(s.Certificate.Expires))
	}
	fact("last up", cli.TimeText(s.LastUp))
	if x.Heartbeat != nil && !x.Heartbeat.LastPing.IsZero() {
		fact("last ping", cli.TimeText(x.Heartbeat.LastPing))
		fact("next ping", "due by "+cli.TimeText(x.Heartbeat.Due))
		fact("no pings", absenceText(x.Heartbeat))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	x.printResults(to)
	x.printNotified(to, now)
	return nil
}

// summary is the monitor's present health and conditions.
func (x *explanation) summary(now time.Time) string {
	s := &x.State
	words := []string{string(cmp.Or(s.Health, job.Up))}
	checked := slices.ContainsFunc(x.Results, func(r job.Result) bool { return r.ProbeResult != nil })
	if s.Health == "" && !checked {
		words[0] = string(job.Pending)
	}
	for _, incident := range s.Open() {
		if incident.Condition != job.ConditionDown && !incident.OfOneLocation() {
			words = append(words, conditionText(incident.Condition))
		}
	}
	if x.Monitor.Paused {
		words = append(words, "paused")
	}
	text := strings.Join(words, ", ")
	if s.Incident != nil {
		text += " for " + notify.HumanBetween(s.Incident.Began, now)
	}
	return text
}

func causeText(incident *job.Incident) string {
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

// locationsText is where a monitor is checked; empty for the default location.
func locationsText(m *job.Monitor) string {
	text := strings.Join(m.Locations, ", ")
	if m.MultiLocation() {
		text += fmt.Sprintf("; %d of %d make it down", m.RequiredVotes(), len(m.Locations))
	}
	return text
}

// locationText is what one of several locations finds.
func locationText(own *job.State, m *job.Monitor) string {
	var b strings.Builder
	b.WriteString(string(cmp.Or(own.Health, job.Pending)))
	for _, incident := range own.Open() {
		if incident.Condition != job.ConditionDown {
			fmt.Fprintf(&b, ", %s", conditionText(incident.Condition))
		}
		fmt.Fprintf(&b, " since %s: %s", cli.TimeText(incident.Began), causeText(incident))
	}
	if pending := pendingText(own, m); pending != "" {
		fmt.Fprintf(&b, " (%s)", pending)
	}
	return b.String()
}

// pendingText is the change that consecutive results lead to.
func pendingText(s *job.State, m *job.Monitor) string {
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

// absenceText says when no ping could be taken since the last one, and what follows.
func absenceText(h *workers.HeartbeatDeadline) string {
	if len(h.Absences) == 0 {
		return ""
	}
	last := h.Absences[len(h.Absences)-1]
	text := "no ping could be taken from " + cli.TimeText(last.From) + " to " + cli.TimeText(last.To)
	if earlier := len(h.Absences) - 1; earlier > 0 {
		text += fmt.Sprintf(", and %s before", cli.Count(earlier, "time"))
	}
	return text + "; the deadline moved by " + notify.HumanDuration(h.Moved.Std())
}

func (x *explanation) printResults(to io.Writer) {
	cli.Writef(to, "\nlast results\n")
	if len(x.Results) == 0 {
		cli.Writef(to, "  none\n")
	}
	for i := range x.Results {
		r := &x.Results[i]
		if x.Monitor.MultiLocation() {
			cli.Writef(to, "  %s", cmp.Or(r.Location, "everywhere"))
		}
		switch {
		case r.Miss != nil:
			cli.Writef(to, "  %s  missed    %s\n", cli.TimeText(r.Slot), cli.Printable(notify.MissText(r.Miss.Reason, r.Miss.Detail)))
		case r.ProbeResult != nil:
			cli.Writef(to, "  %s  %-8s  %s  %s\n", cli.TimeText(r.Slot), r.ProbeResult.Health, r.ProbeResult.Latency.Std().Round(10*time.Microsecond), cli.Printable(r.ProbeResult.Cause))
		}
	}
}

func (x *explanation) printNotified(to io.Writer, now time.Time) {
	cli.Writef(to, "\nrecipients: %s\n", cmp.Or(strings.Join(x.Recipients, ", "), "none"))
	for i := range x.Mutes {
		cli.Writef(to, "  held back: %s\n", muteText(&x.Mutes[i]))
	}
	for i := range x.Notified {
		n := &x.Notified[i]
		cli.Writef(to, "  %s%s\n", n.Address, formerText(n))
		for j := range n.Incidents {
			cli.Writef(to, "    %s\n", cli.Printable(x.notifiedText(&n.Incidents[j], now)))
		}
		for j := range n.Held {
			cli.Writef(to, "    held back: %s\n", muteText(&n.Held[j].Mute))
		}
		switch {
		case n.NextMail.After(now):
			cli.Writef(to, "    the next mail is due at %s\n", cli.TimeText(n.NextMail))
		case !n.NextMail.IsZero():
			cli.Writef(to, "    the next mail is due now\n")
		}
	}
}

// formerText says that an address is no recipient at present.
func formerText(n *notify.Explanation) string {
	if !n.Former {
		return ""
	}
	return " (no recipient at present: it gets only the end of what it received)"
}

func muteText(mute *notify.Mute) string {
	text := string(mute.Kind)
	if mute.By != "" {
		text += " " + mute.By
	}
	switch mute.Kind {
	case notify.MuteParent:
		text = mute.By + " is down, which it depends on"
	case notify.MutePending:
		text = "it depends on " + mute.By + ", which may be down too"
	case notify.MutePaused:
		text = "it is paused, or was not checked since"
	case notify.MuteFlapping:
		text = "it is flapping; single changes are not notified"
	case notify.MuteSilence, notify.MuteMaintenance:
	}
	if !mute.Until.IsZero() {
		text += ", until " + cli.TimeText(mute.Until)
	}
	return text
}

// notifiedText is what an address was notified about an incident.
func (x *explanation) notifiedText(known *job.Notified, now time.Time) string {
	text := fmt.Sprintf("%s since %s: ", conditionText(known.Incident.Condition), cli.TimeText(known.Incident.Began))
	first := cmp.Or(known.NotifiedBy, known.ListedBy)
	switch {
	case first == "" && known.Resolution == nil:
		return text + "not notified yet"
	case first == "":
		return text + "ended, and not notified yet"
	case known.NotifiedBy == "":
		text += "listed under " + known.Parent + ", "
	}
	text += x.mailText(first, known.NotifiedAt, now)
	if known.RemindedBy != "" {
		text += "; repeated: " + x.mailText(known.RemindedBy, known.RemindedAt, now)
	}
	if known.PausedBy != "" && known.ResumedBy == "" {
		text += "; its pause: " + x.mailText(known.PausedBy, time.Time{}, now)
	}
	switch {
	case known.Resolution == nil:
		return text
	case known.ResolvedBy == "":
		return text + "; its end at " + cli.TimeText(known.Resolution.At) + " is not notified yet"
	case known.ResolvedBy == known.NotifiedBy:
		return text + ", with its end"
	default:
		return text + "; its end: " + x.mailText(known.ResolvedBy, time.Time{}, now)
	}
}

// mailText is what became of a mail.
func (x *explanation) mailText(id string, enqueued, now time.Time) string {
	m, tried := x.Mails[id]
	return m.Text(tried, mailstatus.Waiting{Enqueued: enqueued, Cause: x.mailFault}, now) + ", in mail " + id
}
