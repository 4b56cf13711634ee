package monitor

import (
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Notifications is the section notifications.
type Notifications struct {
	// Grouping is for recipients without their own; nil if the file sets none.
	Grouping *job.Grouping
	// TextTemplate and HTMLTemplate replace the built-in templates unless they are
	// empty.
	TextTemplate, HTMLTemplate string
}

// maxListedMonitors limits max_listed.
const maxListedMonitors = 1000

func (r recipientReader) readNotifications(root mapping) Notifications {
	var n Notifications
	m, ok := r.sectionMapping(root, "notifications", "fields such as group_wait")
	if !ok {
		return n
	}
	n.Grouping = r.readGrouping(m, job.DefaultGrouping())
	templates, ok := m.get("templates")
	if !ok {
		return n
	}
	if files, ok := r.mapping(templates, "a mapping with text and html", r.keys["notifications.templates"]...); ok {
		n.TextTemplate = r.templateFile(files, "text")
		n.HTMLTemplate = r.templateFile(files, "html")
	}
	return n
}

// templateFile reads the template file that a key names.
func (r recipientReader) templateFile(m mapping, key string) string {
	v, ok := m.get(key)
	if !ok {
		return ""
	}
	const expected = "the path of a file that holds a template"
	text, ok := r.fileText(v, expected)
	if !ok {
		return ""
	}
	if r.options.CheckTemplate != nil {
		if err := r.options.CheckTemplate(key, text); err != nil {
			r.report(v, v.describe()+" ("+err.Error()+")", expected, "")
		}
	}
	return text
}

// readGrouping reads a grouping; nil if no key is set.
func (r recipientReader) readGrouping(m mapping, otherwise job.Grouping) *job.Grouping {
	found := false
	g := otherwise
	if v, ok := m.get("group_by"); ok {
		found = true
		g.GroupBy = r.groupBy(v)
	}
	for _, field := range []struct {
		key  string
		into *job.Duration
	}{{"group_wait", &g.GroupWait}, {"group_interval", &g.GroupInterval}, {"repeat_interval", &g.RepeatInterval}} {
		if v, ok := m.get(field.key); ok {
			found = true
			*field.into = job.Duration(r.durationOrZero(v))
		}
	}
	if v, ok := m.get("max_listed"); ok {
		found = true
		g.MaxListed, _ = r.integer(v, 1, maxListedMonitors)
	}
	if !found {
		return nil
	}
	return &g
}

func (r recipientReader) groupBy(v value) []string {
	known := []string{job.GroupByMonitor, job.GroupByGroup, job.GroupByLocation, job.GroupByLabel + "NAME"}
	items, ok := r.list(v, "a list such as [group]", true)
	if !ok {
		return nil
	}
	var by []string
	for _, item := range items {
		text, ok := r.nonEmpty(item, oneOf(known))
		label, isLabel := strings.CutPrefix(text, job.GroupByLabel)
		switch {
		case !ok:
		case isLabel && job.ValidName(label), slices.Contains(known[:3], text):
			by = append(by, text)
		default:
			r.rejectWithHint(item, oneOf(known), didYouMean(text, known))
		}
	}
	return by
}

// durationOrZero reads a duration that may be 0s.
func (r recipientReader) durationOrZero(v value) time.Duration {
	if text, ok := v.literal(); ok {
		var d job.Duration
		if d.UnmarshalText([]byte(text)) == nil && d == 0 {
			return 0
		}
	}
	d, _ := r.duration(v)
	return d
}
