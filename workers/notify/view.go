package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// View is the data for the templates of a mail. Its strings are plain text; the
// HTML template escapes them.
type View struct {
	Subject  string
	Headline string
	// Severity is the first line's: critical, warning, ok or info.
	Severity string
	// Facts describe the mail's only monitor, and Recent lists its results when
	// the incident began; both are empty for several monitors.
	Facts  []Fact
	Recent []Result
	// Commands show more details.
	Commands []string
	// Sections list monitors, probable causes first.
	Sections []Section
	// Group is what all monitors in the mail have in common.
	Group []string
	// Notes are about the mail itself.
	Notes []string
	// Thread identifies the mails that belong together.
	Thread string
}

// Fact is a named value that describes a monitor.
type Fact struct{ Name, Value string }

// Result is a result in a mail's table.
type Result struct {
	At, Cause, Took string
	Health          job.Health
}

// Section lists monitors with the same change.
type Section struct {
	Title    string
	Severity string
	Items    []Item
	// More counts the monitors that are not listed.
	More int
}

// Item is one monitor in a section.
type Item struct {
	Monitor, Text string
	// When is "since" or "until" with a time.
	When string
	// Dependents are monitors that depend on this one and changed with it,
	// MoreDependents counts those that are not listed.
	Dependents     []string
	MoreDependents int
}

// viewBuilder builds a view for a recipient.
type viewBuilder struct {
	zone *time.Location
	now  time.Time // when the mail is written
	max  int       // monitors listed in a section
}

func (b *viewBuilder) view(d *Decision, group []string) View {
	lines, also := mainLines(d.Lines)
	first := &lines[0]
	v := View{
		Subject: subjectOf(lines, d.Reminder, b.now), Severity: first.tag().presentation().severity, Group: group, Thread: first.Incident.ID,
	}
	if len(lines) == 1 && len(first.Dependents) == 0 {
		b.single(&v, first, also[first.Incident.Monitor])
		if d.Reminder {
			v.Headline = reminderHeadline(first, b.now)
		}
	} else {
		b.several(&v, lines, also, d.Reminder)
	}
	if still := without(d.Still, lines); len(still) > 0 {
		v.Sections = append(v.Sections, b.section("Still open, from earlier mails", still, nil))
	}
	return v
}

// mainLines picks for each monitor the line with its present health, and returns
// the others by monitor.
func mainLines(lines []Line) (main []Line, also map[string][]Line) {
	at := map[string]int{}
	also = map[string][]Line{}
	for i := range lines {
		name := lines[i].Incident.Monitor
		known, seen := at[name]
		switch {
		case !seen:
			at[name] = len(main)
			main = append(main, lines[i])
		case supersedes(&main[known], &lines[i]):
			also[name] = append(also[name], main[known])
			main[known] = lines[i]
		default:
			also[name] = append(also[name], lines[i])
		}
	}
	return main, also
}

// supersedes reports whether the second of two lines about a monitor says more
// about its present health. What is open began after a removal.
func supersedes(first, second *Line) bool {
	if (first.tag() == tagRemoved) == (second.tag() == tagRemoved) {
		return second.tag().present() > first.tag().present()
	}
	if first.Resolution == nil || second.Resolution == nil {
		return second.Resolution == nil
	}
	return second.Resolution.At.After(first.Resolution.At)
}

// alsoText names the other changes of a monitor.
func (b *viewBuilder) alsoText(also []Line) (texts []string) {
	for i := range also {
		text := string(also[i].tag()) + ", " + summary(&also[i], b.now)
		if also[i].Unannounced {
			text += ", not notified before"
		}
		texts = append(texts, text)
	}
	return texts
}

// without leaves out the monitors in lines.
func without(still, lines []Line) []Line {
	named := monitorsOf(lines, func(*Line) bool { return true })
	return slices.DeleteFunc(slices.Clone(still), func(s Line) bool { return named[s.Incident.Monitor] })
}

// single describes one monitor in full.
func (b *viewBuilder) single(v *View, l *Line, also []Line) {
	v.Headline, v.Facts = headline(l, b.now), facts(l, b.zone)
	for _, text := range b.alsoText(also) {
		v.Facts = append(v.Facts, Fact{"Also", text})
	}
	for _, sample := range l.Incident.Recent {
		r := Result{At: clock(sample.Slot, b.zone), Health: sample.Health, Cause: plain(sample.Cause)}
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

// several lists monitors, a section for each kind of change.
func (b *viewBuilder) several(v *View, lines []Line, also map[string][]Line, reminder bool) {
	all, tags, counts := countTags(lines)
	first := &lines[0]
	switch {
	case len(lines) == 1:
		v.Headline = headline(first, b.now) + " " + dependentsText(first)
		v.Facts, v.Commands = facts(first, b.zone), commands(first)
	case reminder:
		v.Headline, v.Thread = fmt.Sprintf("%d monitors still have problems.", all), ""
	default:
		v.Headline, v.Thread = fmt.Sprintf("%d monitors changed.", all), ""
	}
	for _, t := range tags {
		own := slices.DeleteFunc(slices.Clone(lines), func(l Line) bool { return l.tag() != t })
		title := fmt.Sprintf("%s: %d", t.presentation().title, counts[t])
		if reminder {
			title = "Still " + title
		}
		v.Sections = append(v.Sections, b.section(title, own, also))
	}
}

// maxDependents is how many dependents are listed by name.
const maxDependents = 20

func (b *viewBuilder) section(title string, lines []Line, also map[string][]Line) Section {
	s := Section{Title: title, Severity: lines[0].tag().presentation().severity}
	limit := b.max
	if limit <= 0 {
		limit = job.DefaultGrouping().MaxListed
	}
	for i := range lines[:min(limit, len(lines))] {
		l := &lines[i]
		item := Item{Monitor: l.Incident.Monitor, Text: summary(l, b.now), When: when(l, b.zone)}
		for _, text := range b.alsoText(also[l.Incident.Monitor]) {
			item.Text += "; also " + text
		}
		if l.Parent != "" {
			item.Text += ", depends on " + l.Parent
		}
		for j := range l.Dependents[:min(maxDependents, len(l.Dependents))] {
			item.Dependents = append(item.Dependents, l.Dependents[j].Incident.Monitor)
		}
		item.MoreDependents = len(l.Dependents) - len(item.Dependents)
		s.Items = append(s.Items, item)
	}
	s.More = len(lines) - len(s.Items)
	return s
}

// commands show more about the monitor, and about the target if its name fits
// into a command line.
func commands(l *Line) []string {
	switch {
	case l.tag() == tagRemoved:
		return nil
	case l.Incident.Condition == job.ConditionNoData:
		return []string{"vedette ps --tree"}
	}
	list := []string{"vedette explain " + l.Incident.Monitor}
	if target := plain(l.Incident.Target); target != "" && !strings.Contains(target, " ") {
		list = append(list, "vedette check "+shellQuote(target))
	}
	return list
}
