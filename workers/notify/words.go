package notify

import (
	"bytes"
	_ "embed"
	"fmt"
	html "html/template"
	"strings"
	text "text/template"
	"time"
	"unicode"

	"vedette/pipeline/job"
)

//go:embed mail.txt
var textTemplate string

//go:embed mail.html
var htmlTemplate string

// words is how a mail is put.
type words struct {
	text *text.Template
	html *html.Template
}

func newWords() (*words, error) {
	plain, err := text.New("mail.txt").Parse(textTemplate)
	if err != nil {
		return nil, err
	}
	rich, err := html.New("mail.html").Parse(htmlTemplate)
	if err != nil {
		return nil, err
	}
	return &words{text: plain, html: rich}, nil
}

// mail writes the mail of an event to one address. Its bytes are a function of
// both: no clock, no counter, no chance.
func (w *words) mail(event *job.Event, address string) (job.Mail, error) {
	v := newView(event)
	var plain, rich bytes.Buffer
	if err := w.text.Execute(&plain, v); err != nil {
		return job.Mail{}, fmt.Errorf("write text: %w", err)
	}
	if err := w.html.Execute(&rich, v); err != nil {
		return job.Mail{}, fmt.Errorf("write html: %w", err)
	}
	return job.Mail{
		V: job.Version, ID: job.DeriveID("mail", event.ID, strings.ToLower(address)), To: address,
		Subject: v.Subject, Text: plain.String(), HTML: rich.String(), Thread: event.Incident.ID, Date: event.At.UTC(),
	}, nil
}

// view is what the templates show.
type view struct {
	Subject  string
	Kind     job.EventKind
	Monitor  string
	Headline string
	Rows     []line
	// Command is what a person can type to look closer.
	Command  string
	Incident string
}

// line is one fact of a mail.
type line struct{ Name, Value string }

func newView(event *job.Event) view {
	incident := &event.Incident
	v := view{Kind: event.Kind, Monitor: incident.Monitor, Incident: incident.ID}
	cause := plain(incident.Outcome.Cause)
	if cause == "" {
		cause = string(incident.Outcome.Class)
	}
	lasted := Lasted(event.At.Sub(incident.Began))
	switch event.Kind {
	case job.EventDown:
		v.Subject = subject("DOWN", incident.Monitor, cause)
		v.Headline = incident.Monitor + " is down: " + cause + "."
	case job.EventUp:
		v.Subject = subject("UP", incident.Monitor, "was down "+lasted)
		v.Headline = incident.Monitor + " is up again, after " + lasted + "."
	case job.EventRemoved:
		v.Subject = subject("REMOVED", incident.Monitor, "no longer watched, was down "+lasted)
		v.Headline = incident.Monitor + " is no longer watched. It was down for " + lasted + " when its monitor was removed; no further mail about it will come."
	default:
		v.Subject = subject(strings.ToUpper(string(event.Kind)), incident.Monitor, cause)
		v.Headline = incident.Monitor + " changed: " + string(event.Kind) + "."
	}
	v.Rows = rows(event, cause)
	if incident.Target != "" && event.Kind != job.EventRemoved {
		v.Command = "vedette check " + quote(plain(incident.Target))
	}
	return v
}

// rows are the facts: what, where, since when, last good check, cause, and how
// long each phase took.
func rows(event *job.Event, cause string) []line {
	incident := &event.Incident
	rows := []line{{"Monitor", incident.Monitor}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, line{name, value})
		}
	}
	add("Target", plain(incident.Target))
	add("Address", incident.Outcome.Address)
	add("Down since", moment(incident.Began))
	if event.Kind == job.EventDown {
		add("Last good check", cmpOr(moment(incident.LastGood), "not known"))
	} else {
		add("Until", moment(event.At))
		add("Was down", Lasted(event.At.Sub(incident.Began)))
	}
	add("Cause", kindOf(incident.Outcome.Class)+cause)
	if incident.Failures > 1 {
		add("Failed", fmt.Sprintf("%d times in a row", incident.Failures))
	}
	shown := &incident.Outcome
	if event.Outcome != nil {
		shown = event.Outcome
	}
	if event.Kind == job.EventUp {
		add("This check took", took(shown))
	} else {
		add("Took", took(shown))
	}
	return rows
}

func cmpOr(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// kindOf puts a class into plain words.
func kindOf(class job.Class) string {
	switch class {
	case job.ClassDNS:
		return "name lookup: "
	case job.ClassConnect:
		return "connection: "
	case job.ClassTLS:
		return "TLS: "
	case job.ClassTimeout:
		return "timeout: "
	case job.ClassProtocol:
		return "protocol: "
	case job.ClassStatus:
		return "answer: "
	case job.ClassExpectation:
		return "expectation: "
	case job.ClassInternal:
		return "could not check: "
	default:
		return ""
	}
}

// took tells a check's latency and its phases, as far as they were reached.
func took(outcome *job.Outcome) string {
	if outcome.Latency == 0 {
		return ""
	}
	var phases []string
	for _, p := range []struct {
		name string
		took job.Duration
	}{
		{"dns", outcome.Phases.DNS},
		{"connect", outcome.Phases.Connect},
		{"tls", outcome.Phases.TLS},
		{"first byte", outcome.Phases.Processing},
		{"transfer", outcome.Phases.Transfer},
	} {
		if p.took > 0 {
			phases = append(phases, p.name+" "+millis(p.took))
		}
	}
	if len(phases) == 0 {
		return millis(outcome.Latency)
	}
	return millis(outcome.Latency) + " (" + strings.Join(phases, ", ") + ")"
}

func millis(d job.Duration) string { return fmt.Sprintf("%.1f ms", d.Std().Seconds()*1000) }

// moment writes a time for people; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("Mon 2 Jan 2006 15:04:05 UTC")
}

// maxSubject keeps a subject within what mail readers show; RFC 5322 section
// 2.1.1 would allow 998.
const maxSubject = 120

// subject is "[KIND] monitor: rest", on one line and not too long.
func subject(kind, monitor, rest string) string {
	whole := []rune("[" + kind + "] " + monitor + ": " + rest)
	if len(whole) > maxSubject {
		return string(whole[:maxSubject-1]) + "…"
	}
	return string(whole)
}

// plain puts what came from outside on one line, without control characters
// and the invisible ones that turn the order of letters around: a cause may
// hold what a hostile server sent.
func plain(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }), " ")
}

// quote makes one word of a target for a shell, since URLs hold what shells
// take for their own.
func quote(s string) string {
	if strings.ContainsAny(s, " &;|<>()$`\\\"'*?[]#~!{}") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// Lasted writes a duration for people, in its two largest units: "45 s",
// "12 min", "3 h 5 min", "2 d 4 h".
func Lasted(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, unit := range units {
		if d < unit.size && unit.size > time.Second {
			continue
		}
		shown := fmt.Sprintf("%d %s", d/unit.size, unit.name)
		if i+1 < len(units) && unit.size > time.Minute {
			if rest := d % unit.size / units[i+1].size; rest > 0 {
				shown += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return shown
	}
	return "0 s"
}
