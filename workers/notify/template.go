package notify

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	html "html/template"
	"slices"
	"strconv"
	"strings"
	text "text/template"
	"time"

	"vedette/pipeline/job"
)

//go:embed mail.txt
var textTemplate string

//go:embed mail.html
var htmlTemplate string

// Templates replace the built-in templates for mails. They are executed by
// text/template and html/template with a [View]; an empty one is built in.
type Templates struct {
	Text, HTML string
	// Failed, when set, is called for each mail on which a template fails. That
	// mail leaves with the built-in text, and names the error.
	Failed func(error)
}

// Renderer writes mails from templates. It is safe for concurrent use.
type Renderer struct {
	text *text.Template
	html *html.Template
	// builtIn writes the mails on which these templates fail; nil for the built-in
	// templates.
	builtIn *Renderer
	failed  func(error)
}

// NewRenderer parses templates, and tries them on a mail of each kind. The error
// says which one is wrong, and where.
func NewRenderer(t Templates) (*Renderer, error) {
	r, err := parse(t)
	if err != nil || t.Text == "" && t.HTML == "" {
		return r, err
	}
	r.failed = t.Failed
	r.builtIn, err = parse(Templates{})
	return r, err
}

func parse(t Templates) (*Renderer, error) {
	functions := text.FuncMap{"join": strings.Join}
	plain, err := text.New("text").Funcs(functions).Parse(cmp.Or(t.Text, textTemplate))
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	rich, err := html.New("html").Funcs(functions).Parse(cmp.Or(t.HTML, htmlTemplate))
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	r := &Renderer{text: plain, html: rich}
	if err := r.try(); err != nil {
		return nil, err
	}
	return r, nil
}

// try writes a mail about one monitor and one about several.
func (r *Renderer) try() error {
	began := time.Unix(0, 0)
	one := Line{Incident: &job.Incident{Monitor: "website", Condition: job.ConditionDown, Began: began, Recent: []job.Sample{{}}}}
	two := Line{Incident: &job.Incident{Monitor: "database", Condition: job.ConditionDown}, Resolution: &job.Resolution{At: began}}
	one.Dependents = []Line{two}
	for _, lines := range [][]Line{{one}, {two}, {one, two}} {
		b := viewBuilder{zone: time.UTC, now: began, max: 1}
		if _, _, err := r.execute(b.view(&Decision{Lines: lines, Still: []Line{two}}, []string{"group=web"})); err != nil {
			return fmt.Errorf("try template: %w", err)
		}
	}
	return nil
}

func (r *Renderer) execute(v View) (plain, rich string, err error) {
	var asText, asHTML bytes.Buffer
	if err := r.text.Execute(&asText, v); err != nil {
		return "", "", fmt.Errorf("write text: %w", err)
	}
	if err := r.html.Execute(&asHTML, v); err != nil {
		return "", "", fmt.Errorf("write html: %w", err)
	}
	return asText.String(), asHTML.String(), nil
}

// write executes the templates, or the built-in ones if they fail on this mail: an
// alert in other words is better than none.
func (r *Renderer) write(v View) (plain, rich string, err error) {
	plain, rich, err = r.execute(v)
	if err == nil || r.builtIn == nil {
		return plain, rich, err
	}
	if r.failed != nil {
		r.failed(err)
	}
	v.Notes = append(v.Notes, "The template for this mail failed, so it has the built-in text: "+shorten(err.Error()))
	return r.builtIn.execute(v)
}

// shorten limits an error for people.
func shorten(words string) string {
	const most = 300
	short := []rune(strings.Join(strings.Fields(words), " "))
	if len(short) > most {
		return string(short[:most-1]) + "…"
	}
	return string(short)
}

// mailLifetime is how long a mail may wait that reports only what lasts; what
// still lasts then is reported again.
const mailLifetime = 6 * time.Hour

// Render writes a decision's mail. Its id is derived from the group and the
// mail's number, so that every process writes the same mail.
func (r *Renderer) Render(d *Decision, g *job.NotificationGroup, grouping job.Grouping, zone *time.Location) (job.Notification, error) {
	now := d.At.UTC().Truncate(time.Second)
	b := viewBuilder{zone: zone, now: now, max: grouping.MaxListed}
	v := b.view(d, g.Group)
	address, group := strings.ToLower(g.Address), strings.Join(g.Group, "\x00")
	if v.Thread == "" {
		v.Thread = job.DeriveID("group", address, group)
	}
	plain, rich, err := r.write(v)
	if err != nil {
		return job.Notification{}, err
	}
	notAfter := now.Add(mailLifetime)
	if slices.ContainsFunc(d.Lines, func(l Line) bool { return l.Resolution != nil }) {
		notAfter = time.Time{} // an end stays true
	}
	id := job.DeriveID("notification", address, group, strconv.FormatBool(g.Operators), strconv.Itoa(g.Sequence+1))
	return job.Notification{ID: id, At: now, Updates: d.Updates, Mail: &job.Mail{
		V: job.Version, ID: id, To: g.Address, Subject: v.Subject, Text: plain, HTML: rich, Thread: v.Thread, List: "alerts", Date: now, NotAfter: notAfter,
		Monitors: monitorsIn(d.Lines),
	}}, nil
}

// monitorsIn returns the first monitors that a mail is about, each once.
func monitorsIn(lines []Line) []string {
	var names []string
	add := func(l *Line) {
		if len(names) < job.MaxMailMonitors && !slices.Contains(names, l.Incident.Monitor) {
			names = append(names, l.Incident.Monitor)
		}
	}
	for i := range lines {
		add(&lines[i])
		for j := range lines[i].Dependents {
			add(&lines[i].Dependents[j])
		}
	}
	return names
}
