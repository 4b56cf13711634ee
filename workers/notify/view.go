package notify

import (
	"fmt"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// View is what the templates of a mail show. The words are plain text: the
// template of HTML escapes them.
type View struct {
	Subject  string
	Headline string
	// Severity is that of the first line: critical, warning, ok or info.
	Severity string
	// Facts are those of the only monitor of the mail, and Recent its results
	// before; both are empty when there are several.
	Facts  []Fact
	Recent []Result
	// Commands are what a person can type to look closer.
	Commands []string
	// Sections list monitors, the first causes first.
	Sections []Section
	// Group is what all monitors of the mail have in common.
	Group []string
	// Thread identifies what mails of one thread are about.
	Thread string
}

// Fact is one fact of a monitor.
type Fact struct{ Name, Value string }

// Result is a result in the table of a mail.
type Result struct {
	At, Cause, Took string
	Health          job.Health
}

// Section is a list of monitors of which the same is told.
type Section struct {
	Title    string
	Severity string
	Items    []Item
	// More counts those that are not listed.
	More int
}

// Item is one monitor of a section.
type Item struct {
	Monitor, Text string
	// When is "since" or "until" with a time; empty when that is not known.
	When string
	// Dependents are names of monitors that depend on it and are down as well,
	// MoreBehind how many are not named.
	Dependents     []string
	MoreDependents int
}

// newView puts a decision into words.
func newView(d *Decision, m *job.NotificationGroup, most int, zone *time.Location, now time.Time) View {
	lines, also := mainLines(d.Lines)
	first := &lines[0]
	v := View{
		Subject: subjectOf(lines, d.Reminder, now), Severity: first.tag().severity(), Group: m.Group, Thread: first.Incident.ID,
	}
	if len(lines) == 1 && len(first.Dependents) == 0 {
		v.single(first, also, zone, now)
		if d.Reminder {
			v.Headline = fmt.Sprintf("%s is still down, for %s: %s.", first.Incident.Monitor, HumanDuration(now.Sub(first.Incident.Began)), causeOf(&first.Incident.ProbeResult))
		}
	} else {
		v.many(lines, d.Reminder, most, zone, now)
	}
	if still := without(d.Still, lines); len(still) > 0 {
		v.Sections = append(v.Sections, section("Told before, and lasting", still, most, zone, now))
	}
	return v
}

// mainLines picks for each monitor the line that says what it is now, and
// returns the others by monitor.
func mainLines(lines []Line) (heads []Line, also map[string][]Line) {
	at := map[string]int{}
	also = map[string][]Line{}
	for i := range lines {
		name := lines[i].Incident.Monitor
		known, seen := at[name]
		switch {
		case !seen:
			at[name] = len(heads)
			heads = append(heads, lines[i])
		case present(&lines[i]) > present(&heads[known]):
			also[name] = append(also[name], heads[known])
			heads[known] = lines[i]
		default:
			also[name] = append(also[name], lines[i])
		}
	}
	return heads, also
}

// present is higher the more a line says of what a monitor is now.
func present(l *Line) int {
	switch l.tag() {
	case tagRemoved:
		return 6
	case tagFlapping:
		return 5
	case tagDown:
		return 4
	case tagStable:
		return 3
	case tagUp:
		return 2
	case tagDegraded, tagOK, tagNoData, tagDataAgain, tagCertificate:
		return 1
	default:
		return 0
	}
}

// without leaves out the monitors that lines tell of.
func without(still, lines []Line) []Line {
	told := map[string]bool{}
	for i := range lines {
		told[lines[i].Incident.Monitor] = true
	}
	var rest []Line
	for i := range still {
		if !told[still[i].Incident.Monitor] {
			rest = append(rest, still[i])
		}
	}
	return rest
}

// single tells all of one monitor.
func (v *View) single(l *Line, also map[string][]Line, zone *time.Location, now time.Time) {
	incident := l.Incident
	v.Headline = headline(l, now)
	v.Facts = facts(l, zone)
	for _, other := range also[incident.Monitor] {
		text := string(other.tag()) + ", " + brief(&other, now)
		if other.Unannounced {
			text += ", not told before"
		}
		v.Facts = append(v.Facts, Fact{"Also", text})
	}
	for _, sample := range incident.Recent {
		r := Result{At: moment(sample.Slot, zone), Health: sample.Health, Cause: plain(sample.Cause)}
		if sample.Location != "" {
			r.Cause = strings.TrimSuffix(sample.Location+": "+r.Cause, ": ")
		}
		if sample.Latency > 0 {
			r.Took = millis(sample.Latency)
		}
		v.Recent = append(v.Recent, r)
	}
	v.Commands = commands(l)
}

// commands are what helps to look closer: at what we know, and at the target
// itself, if it can be named in a line.
func commands(l *Line) []string {
	incident := l.Incident
	switch {
	case l.tag() == tagRemoved:
		return nil
	case incident.Condition == job.ConditionNoData:
		return []string{"vedette ps --tree"}
	}
	list := []string{"vedette explain " + incident.Monitor}
	if target := plain(incident.Target); target != "" && !strings.Contains(target, " ") {
		list = append(list, "vedette check "+quote(target))
	}
	return list
}

// facts are what, where, since when, last good check, cause, and how long each
// phase took.
func facts(l *Line, zone *time.Location) []Fact {
	incident := l.Incident
	list := []Fact{{"Monitor", incident.Monitor}}
	add := func(name, value string) {
		if value != "" {
			list = append(list, Fact{name, value})
		}
	}
	add("Group", plain(incident.Group))
	add("Target", plain(incident.Target))
	add("Address", incident.ProbeResult.Address)
	list = append(list, votes(incident)...)
	if incident.Condition == job.ConditionCertificate {
		add("Ends", moment(incident.ProbeResult.CertificateExpires, zone))
		return list
	}
	add(sinceOf(incident.Condition), moment(incident.Began, zone))
	if l.Resolution != nil {
		add("Until", moment(l.Resolution.At, zone))
		add("Lasted", l.lasted())
	} else if incident.Condition != job.ConditionFlapping {
		add("Last good check", cmpOr(moment(incident.LastUp, zone), "not known"))
	}
	if incident.Condition == job.ConditionNoData {
		add("Cause", reasonOf(incident.Reason, incident.Detail))
		return list
	}
	add("Cause", kindOf(incident.ProbeResult.Class)+causeOf(&incident.ProbeResult))
	if incident.Failures > 1 {
		add("Failed", fmt.Sprintf("%d times", incident.Failures))
	}
	if l.Resolution == nil {
		add("Took", took(&incident.ProbeResult))
	} else if l.Resolution.ProbeResult != nil {
		add("This check took", took(l.Resolution.ProbeResult))
	}
	add("Behind", l.Parent)
	return list
}

func sinceOf(condition job.Condition) string {
	switch condition {
	case job.ConditionDown:
		return "Down since"
	case job.ConditionDegraded:
		return "Degraded since"
	case job.ConditionFlapping:
		return "Flapping since"
	case job.ConditionNoData:
		return "No data since"
	case job.ConditionCertificate:
		return "Noticed"
	default:
		return "Since"
	}
}

// many lists monitors, a section for each kind of news.
func (v *View) many(lines []Line, reminder bool, most int, zone *time.Location, now time.Time) {
	all, kinds := count(lines)
	v.Headline = fmt.Sprintf("News of %d monitors.", all)
	if behind := len(lines[0].Dependents); len(kinds) == 1 && len(lines) == 1 && behind > 0 {
		are := "are down as well"
		if lines[0].Resolution != nil {
			are = "are up again as well"
		}
		v.Headline = fmt.Sprintf("%s %d that depend on it %s.", headline(&lines[0], now), behind, are)
		v.Facts = facts(&lines[0], zone)
		v.Commands = commands(&lines[0])
	} else {
		v.Thread = ""
	}
	for _, k := range kinds {
		var own []Line
		for i := range lines {
			if lines[i].tag() == k.tag {
				own = append(own, lines[i])
			}
		}
		title := fmt.Sprintf("%s: %d", titleOf(k.tag), k.n)
		if reminder {
			title = "Still " + title
		}
		v.Sections = append(v.Sections, section(title, own, most, zone, now))
	}
}

func titleOf(t tag) string {
	switch t {
	case tagDown:
		return "Down"
	case tagUp:
		return "Up again"
	case tagRemoved:
		return "Removed"
	case tagDegraded:
		return "Degraded"
	case tagOK:
		return "No longer degraded"
	case tagFlapping:
		return "Flapping"
	case tagStable:
		return "Stable again"
	case tagNoData:
		return "No data"
	case tagDataAgain:
		return "Data again"
	case tagCertificate:
		return "Certificates that expire soon"
	default:
		return string(t)
	}
}

func when(l *Line, zone *time.Location) string {
	switch {
	case l.tag() == tagCertificate:
		return "on " + moment(l.Incident.ProbeResult.CertificateExpires, zone)
	case l.Resolution != nil:
		return "until " + moment(l.Resolution.At, zone)
	default:
		return "since " + moment(l.Incident.Began, zone)
	}
}

// maxBehind is how many monitors are named behind another.
const maxBehind = 20

func section(title string, lines []Line, most int, zone *time.Location, now time.Time) Section {
	s := Section{Title: title, Severity: lines[0].tag().severity()}
	if most <= 0 {
		most = job.DefaultGrouping().MaxListed
	}
	for i := range lines[:min(most, len(lines))] {
		l := &lines[i]
		item := Item{Monitor: l.Incident.Monitor, Text: brief(l, now), When: when(l, zone)}
		if l.Parent != "" {
			item.Text += ", behind " + l.Parent
		}
		for j := range l.Dependents[:min(maxBehind, len(l.Dependents))] {
			item.Dependents = append(item.Dependents, l.Dependents[j].Incident.Monitor)
		}
		item.MoreDependents = len(l.Dependents) - len(item.Dependents)
		s.Items = append(s.Items, item)
	}
	s.More = len(lines) - len(s.Items)
	return s
}
