package notify

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"vedette/pipeline/job"
)

func millis(d job.Duration) string { return fmt.Sprintf("%.1f ms", d.Std().Seconds()*1000) }

// clock is a time for people in their zone, empty for the zero time.
func clock(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("Mon 2 Jan 2006 15:04:05 MST")
}

// when is the time of a change.
func when(l *Line, zone *time.Location) string {
	switch {
	case l.tag() == tagCertificate:
		return "on " + clock(l.Incident.ProbeResult.CertificateExpires, zone)
	case l.Resolution != nil:
		return "until " + clock(l.Resolution.At, zone)
	default:
		return "since " + clock(l.Incident.Began, zone)
	}
}

// plain puts text from outside on one line, without control characters and
// without invisible ones that reorder text: a cause may hold what a hostile
// server sent.
func plain(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }), " ")
}

// shellQuote quotes a target for a shell, since URLs hold characters that are
// special there.
func shellQuote(s string) string {
	if strings.ContainsAny(s, " &;|<>()$`\\\"'*?[]#~!{}") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// HumanBetween formats the time from one stored time to another. A zero time was
// never stored, so the distance from it is unknown; times from machines with
// different clocks may be in the wrong order, which is no time.
func HumanBetween(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "an unknown time"
	}
	return HumanDuration(to.Sub(from))
}

// HumanDuration formats a duration for people, in its two largest units: "45 s",
// "12 min", "3 h 5 min", "2 d 4 h". A negative one is "0 s".
func HumanDuration(d time.Duration) string {
	d = max(0, d)
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
