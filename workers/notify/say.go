package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"vedette/pipeline/job"
)

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
func took(outcome *job.ProbeResult) string {
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

// moment writes a time for people, in their zone; empty for none.
func moment(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("Mon 2 Jan 2006 15:04:05 MST")
}

// maxSubject keeps a subject within what mail readers show; RFC 5322 section
// 2.1.1 would allow 998.
const maxSubject = 120

// subject is "[KIND] what: rest", on one line and not too long.
func subject(kind, what, rest string) string {
	text := "[" + kind + "] " + what
	if rest != "" {
		text += ": " + rest
	}
	whole := []rune(text)
	if len(whole) > maxSubject {
		return string(whole[:maxSubject-1]) + "…"
	}
	return text
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

// HumanDuration writes a duration for people, in its two largest units: "45 s",
// "12 min", "3 h 5 min", "2 d 4 h".
func HumanDuration(d time.Duration) string {
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
