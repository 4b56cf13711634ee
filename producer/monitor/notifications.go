package monitor

import (
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Notifications is the section notifications: how news are put into mails.
type Notifications struct {
	// Grouping is that of recipients who have none of their own; nil when the
	// file does not say.
	Grouping *job.Grouping
	// TextTemplate and HTMLTemplate are texts of templates in place of the
	// built-in ones; empty means those.
	TextTemplate, HTMLTemplate string
}

// groupingKeys are the fields of a grouping.
func groupingKeys() []string {
	return []string{"group_by", "group_wait", "group_interval", "repeat_interval", "max_listed"}
}

// maxListed bounds how many monitors a mail may list.
const maxListedMonitors = 1000

func (r *reader) readNotifications(root mapping) Notifications {
	var n Notifications
	v, ok := section(root, "notifications")
	if !ok {
		return n
	}
	m, ok := r.mapping(v, "fields such as group_wait", append(groupingKeys(), "templates")...)
	if !ok {
		return n
	}
	n.Grouping = r.grouping(m, job.DefaultGrouping())
	templates, ok := m.get("templates")
	if !ok {
		return n
	}
	if files, ok := r.mapping(templates, "a mapping with text and html", "text", "html"); ok {
		n.TextTemplate = r.templateFile(files, "text")
		n.HTMLTemplate = r.templateFile(files, "html")
	}
	return n
}

// templateFile reads a template from the file that a field names. Whether it is
// one shows when it is used, before anything is mailed.
func (r *reader) templateFile(m mapping, key string) string {
	v, ok := m.get(key)
	if !ok {
		return ""
	}
	const expected = "the path of a file that holds a template"
	text, ok := r.contents(v, expected)
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

// grouping reads how news are grouped, nil when none of the fields is there.
func (r *reader) grouping(m mapping, otherwise job.Grouping) *job.Grouping {
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

func (r *reader) groupBy(v value) []string {
	known := []string{job.GroupByMonitor, job.GroupByGroup, job.GroupByLocation, job.GroupByLabel + "NAME"}
	items, ok := r.list(v, "a list such as [group]", true)
	if !ok {
		return nil
	}
	var by []string
	for _, item := range items {
		text, ok := r.filled(item, oneOf(known))
		label, isLabel := strings.CutPrefix(text, job.GroupByLabel)
		switch {
		case !ok:
		case isLabel && job.ValidName(label), slices.Contains(known[:3], text):
			by = append(by, text)
		default:
			r.wrongHint(item, oneOf(known), didYouMean(text, known))
		}
	}
	return by
}

// durationOrZero reads a duration that may be 0s.
func (r *reader) durationOrZero(v value) time.Duration {
	if text, ok := v.literal(); ok {
		var d job.Duration
		if d.UnmarshalText([]byte(text)) == nil && d == 0 {
			return 0
		}
	}
	d, _ := r.duration(v)
	return d
}
