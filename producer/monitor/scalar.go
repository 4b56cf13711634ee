package monitor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// maxFound bounds how much of a value is shown as found.
const maxFound = 80

// describe returns the value as it is written: nothing that came from the
// environment, and no secret.
func (v value) describe() string {
	if v.null() {
		return "nothing"
	}
	switch v.node.kind {
	case kindMapping:
		return "a mapping"
	case kindList:
		return "a list"
	case kindTag:
		return "the tag " + v.node.text
	case kindText:
		switch {
		case v.node.text == "":
			return "an empty text"
		case v.secret:
			return "a value that is not shown"
		default:
			return quote(v.node.text)
		}
	default:
		switch {
		case v.secret:
			return "a value that is not shown"
		case v.node.text == "":
			return "something else"
		default:
			return shorten(v.node.text)
		}
	}
}

// literal returns a text with its references not yet replaced.
func (v value) literal() (string, bool) {
	if v.node == nil || v.node.kind != kindText {
		return "", false
	}
	return v.node.text, true
}

func quote(text string) string { return strconv.Quote(shorten(maskURL(text))) }

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxFound {
		return string(runes[:maxFound]) + "…"
	}
	return text
}

// wrong reports a value that is not what was expected. It returns false, which
// is what its callers return.
func (r *reader) wrong(v value, expected string) bool {
	r.wrongHint(v, expected, "")
	return false
}

func (r *reader) wrongHint(v value, expected, hint string) {
	if !v.unbound() {
		r.report(v, v.describe(), expected, hint)
	}
}

// text reads text, and replaces its references to the environment.
func (r *reader) text(v value, expected string) (string, bool) {
	literal, ok := v.literal()
	if !ok {
		hint := ""
		if v.node != nil && v.node.isScalar() {
			hint = "write it in quotes to make it text"
		}
		r.wrongHint(v, expected, hint)
		return "", false
	}
	return r.expand(v, literal)
}

// filled is text that may not be empty.
func (r *reader) filled(v value, expected string) (string, bool) {
	text, ok := r.text(v, expected)
	if ok && strings.TrimSpace(text) == "" {
		return "", r.wrong(v, expected)
	}
	return text, ok
}

// plain reads what is written without quotes, as a type of node, or comes from
// the environment.
func (r *reader) plain(v value, expected string, want kind) (string, bool) {
	if literal, ok := v.literal(); ok && strings.Contains(literal, "${") {
		return r.expand(v, literal)
	}
	if v.null() || v.node.kind != want {
		hint := ""
		if literal, ok := v.literal(); ok && v.node.quoted && literal != "" && strings.Trim(literal, "0123456789") == "" {
			hint = "write it without quotes"
		}
		r.wrongHint(v, expected, hint)
		return "", false
	}
	return v.node.text, true
}

// integer reads a whole number in decimal digits.
func (r *reader) integer(v value, low, high int) (int, bool) {
	expected := fmt.Sprintf("a whole number from %d to %d", low, high)
	text, ok := r.plain(v, expected, kindInteger)
	if !ok {
		return 0, false
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < low || number > high {
		return 0, r.wrong(v, expected)
	}
	return number, true
}

// boolean reads true or false.
func (r *reader) boolean(v value) bool {
	text, ok := r.plain(v, "true or false", kindBoolean)
	if !ok {
		return false
	}
	switch text {
	case "true", "True", "TRUE": // the core schema of YAML 1.2
		return true
	case "false", "False", "FALSE":
		return false
	default:
		return r.wrong(v, "true or false")
	}
}

const aDuration = "a duration such as 500ms, 30s or 1h30m"

// duration reads a duration above zero, as Go writes it. A bare number has no
// unit, and whoever wrote it may have meant any.
func (r *reader) duration(v value) (time.Duration, bool) {
	if v.node != nil && (v.node.kind == kindInteger || v.node.kind == kindFloat) {
		written := v.node.text
		r.report(v, written, aDuration, fmt.Sprintf("did you mean %ss?", written))
		return 0, false
	}
	if _, ok := v.literal(); !ok {
		return 0, r.wrong(v, aDuration)
	}
	text, ok := r.text(v, aDuration)
	if !ok {
		return 0, false
	}
	var d job.Duration
	if days, err := strconv.ParseUint(strings.TrimSuffix(text, "d"), 10, 16); err == nil && strings.HasSuffix(text, "d") {
		text = fmt.Sprintf("%dh", days*24)
	}
	if d.UnmarshalText([]byte(text)) != nil {
		hint := ""
		if number, err := strconv.ParseFloat(text, 64); err == nil && number > 0 && v.safe() {
			hint = fmt.Sprintf("did you mean %ss?", text)
		}
		r.report(v, v.describe(), aDuration, hint)
		return 0, false
	}
	if d <= 0 {
		r.report(v, v.written(), "a duration above 0s", "")
		return 0, false
	}
	return d.Std(), true
}

// safe reports whether nothing in the value comes from the environment.
func (v value) safe() bool { return v.node == nil || !v.node.usesEnvironment() }

// written is a value that needs no quotes, as it is written.
func (v value) written() string {
	if literal, ok := v.literal(); ok {
		return shorten(literal)
	}
	return v.describe()
}

// show writes a duration the way people do: 60s and 1h30m, not 1m0s.
func show(d time.Duration) string {
	if d%time.Second == 0 && d < 10*time.Minute {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
