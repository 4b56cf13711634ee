package notify

import (
	"bytes"
	_ "embed"
	"fmt"
	html "html/template"
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

// Templates are the words of mails, in place of the built-in ones: what
// text/template and html/template make of a [View]. What is empty is built in.
type Templates struct{ Text, HTML string }

// Renderer writes mails. It is safe for concurrent use.
type Renderer struct {
	text *text.Template
	html *html.Template
}

// NewRenderer reads templates, and tries them on a mail of each kind. The error
// says which of them is wrong, and where.
func NewRenderer(t Templates) (*Renderer, error) {
	if t.Text == "" {
		t.Text = textTemplate
	}
	if t.HTML == "" {
		t.HTML = htmlTemplate
	}
	functions := text.FuncMap{"join": strings.Join}
	plain, err := text.New("text").Funcs(functions).Parse(t.Text)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	rich, err := html.New("html").Funcs(functions).Parse(t.HTML)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	w := &Renderer{text: plain, html: rich}
	if err := w.try(); err != nil {
		return nil, err
	}
	return w, nil
}

// try writes a mail of one monitor and one of several.
func (w *Renderer) try() error {
	began := time.Unix(0, 0)
	one := Line{Incident: &job.Incident{Monitor: "website", Condition: job.ConditionDown, Began: began, Recent: []job.Sample{{}}}}
	two := Line{Incident: &job.Incident{Monitor: "database", Condition: job.ConditionDown}, Resolution: &job.Resolution{At: began}}
	one.Dependents = []Line{two}
	for _, lines := range [][]Line{{one}, {two}, {one, two}} {
		if _, _, err := w.write(newView(&Decision{Lines: lines, Still: []Line{two}}, &job.NotificationGroup{Group: []string{"group web"}}, 1, time.UTC, began)); err != nil {
			return fmt.Errorf("try template: %w", err)
		}
	}
	return nil
}

func (w *Renderer) write(v View) (plain, rich string, err error) {
	var asText, asHTML bytes.Buffer
	if err := w.text.Execute(&asText, v); err != nil {
		return "", "", fmt.Errorf("write text: %w", err)
	}
	if err := w.html.Execute(&asHTML, v); err != nil {
		return "", "", fmt.Errorf("write html: %w", err)
	}
	return asText.String(), asHTML.String(), nil
}

// Render writes the mail of a decision. Its id is that of the mailing and the
// number of the mail, so that whoever writes it again writes the same one.
func (w *Renderer) Render(d *Decision, m *job.NotificationGroup, group job.Grouping, zone *time.Location, now time.Time) (job.Notification, error) {
	now = now.UTC().Truncate(time.Second)
	v := newView(d, m, group.MaxListed, zone, now)
	if v.Thread == "" {
		v.Thread = job.DeriveID("mailing", strings.ToLower(m.Address), strings.Join(m.Group, "\x00"))
	}
	plain, rich, err := w.write(v)
	if err != nil {
		return job.Notification{}, err
	}
	id := job.DeriveID("letter", strings.ToLower(m.Address), strings.Join(m.Group, "\x00"), strconv.FormatBool(m.Operators), strconv.Itoa(m.Sequence+1))
	return job.Notification{ID: id, At: now, Updates: d.Updates, Mail: &job.Mail{
		V: job.Version, ID: id, To: m.Address, Subject: v.Subject, Text: plain, HTML: rich, Thread: v.Thread, List: "alerts", Date: now, NotAfter: stale(d, now),
	}}, nil
}

// fresh is how long a mail is worth sending that only tells of what lasts; what
// is so by then is told anew.
const fresh = 6 * time.Hour

// stale is when a mail is no longer worth sending; zero for one that tells of
// an end, which is true for ever.
func stale(d *Decision, now time.Time) time.Time {
	for i := range d.Lines {
		if d.Lines[i].Resolution != nil {
			return time.Time{}
		}
	}
	return now.Add(fresh)
}
