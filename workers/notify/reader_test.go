package notify_test

import (
	"regexp"
	"strings"

	"vedette/pipeline/job"
)

// said is what a mail says about a monitor.
type said struct {
	monitor string
	what    news
	repeats bool // a reminder, or a list of what is still open
	listed  bool // under its parent
	data    bool // about its data, not its health
}

// aboutData reports whether a text about a pause is about missing data.
func aboutData(what news, text string) bool {
	switch what {
	case newsPaused:
		return strings.Contains(text, "without data")
	case newsRemoved:
		return strings.Contains(text, "it had no data")
	default:
		return what == newsNoData || what == newsData
	}
}

// news is what an address knows about a monitor.
type news string

const (
	newsDown    news = "down"
	newsUp      news = "up"
	newsPaused  news = "paused"
	newsRemoved news = "removed"
	newsNoData  news = "no data"
	newsData    news = "data again"
)

// newsOf reads the title of a section, or the tag of a subject.
func newsOf(title string) (what news, repeats bool) {
	switch strings.ToLower(title) {
	case "down", "still down":
		return newsDown, strings.HasPrefix(title, "Still D") // "Still down" is for those who join
	case "up", "up again":
		return newsUp, false
	case "paused":
		return newsPaused, false
	case "removed":
		return newsRemoved, false
	case "no data", "still no data":
		return newsNoData, strings.HasPrefix(title, "Still N")
	case "data again":
		return newsData, false
	default:
		return "", false
	}
}

var (
	titleLine  = regexp.MustCompile(`^([A-Z][A-Za-z ,]+?)(: \d+)?$`)
	itemLine   = regexp.MustCompile(`^ {2}([\w-]+): `)
	underLine  = regexp.MustCompile(`^ {4}depending on it: (.*)$`)
	alsoLine   = regexp.MustCompile(`^Also: +([A-Z ]+), `)
	alsoItem   = regexp.MustCompile(`; also ([A-Z ]+), `)
	tagSubject = regexp.MustCompile(`^\[([A-Z ]+)\] ([\w-]+): (.*)$`)
)

// read returns what a mail says, from its subject and its text alone.
func read(m *job.Mail) []said {
	var all []said
	single := ""
	if found := tagSubject.FindStringSubmatch(m.Subject); found != nil {
		what, _ := newsOf(found[1])
		reminder := strings.HasPrefix(found[1], "STILL") && strings.HasPrefix(found[3], "for ")
		all = append(all, said{monitor: found[2], what: what, repeats: reminder, data: aboutData(what, found[3])})
		single = found[2]
	}
	var section said
	for line := range strings.Lines(m.Text) {
		line = strings.TrimRight(line, "\n")
		if found := titleLine.FindStringSubmatch(line); found != nil {
			section = said{}
			section.what, section.repeats = newsOf(found[1])
			continue
		}
		if found := alsoLine.FindStringSubmatch(line); found != nil {
			what, _ := newsOf(found[1])
			all = append([]said{{monitor: single, what: what, data: aboutData(what, line)}}, all...)
		}
		if section.what == "" {
			continue
		}
		if found := itemLine.FindStringSubmatch(line); found != nil {
			section.monitor = found[1]
			for _, also := range alsoItem.FindAllStringSubmatch(line, -1) {
				what, _ := newsOf(also[1])
				all = append(all, said{monitor: found[1], what: what, data: aboutData(what, line)})
			}
			section.data = aboutData(section.what, line)
			all = append(all, section)
		}
		if found := underLine.FindStringSubmatch(line); found != nil {
			for name := range strings.SplitSeq(found[1], ", ") {
				all = append(all, said{monitor: name, what: section.what, repeats: section.repeats, listed: true})
			}
		}
	}
	return all
}
