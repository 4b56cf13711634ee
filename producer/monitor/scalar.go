package monitor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/redact"
)

// maxFound limits how much of a value is shown.
const maxFound = 80

// describe returns the value as written, with variables not replaced. It shows no
// secret.
func (v value) describe() string {
	_, isText := v.literal()
	switch {
	case v.null():
		return "nothing"
	case v.node.kind == kindMapping:
		return "a mapping"
	case v.node.kind == kindList:
		return "a list"
	case v.node.kind == kindTag:
		return "the tag " + v.node.text
	case isText && v.node.text == "":
		return "an empty text"
	case v.secret:
		return "a value that is not shown"
	case isText:
		return quote(v.node.text)
	case v.node.text == "":
		return "something else"
	default:
		return shorten(v.node.text)
	}
}

// literal returns a text before references are replaced.
func (v value) literal() (string, bool) {
	if v.node == nil || v.node.kind != kindText {
		return "", false
	}
	return v.node.text, true
}

func quote(text string) string { return strconv.Quote(shorten(redact.URLs(text))) }

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxFound {
		return string(runes[:maxFound]) + "…"
	}
	return text
}

// reject reports an unexpected value. It returns false for its callers to return.
func (r *reader) reject(v value, expected string) bool {
	r.rejectWithHint(v, expected, "")
	return false
}

func (r *reader) rejectWithHint(v value, expected, hint string) {
	if !v.unbound() {
		r.report(v, v.describe(), expected, hint)
	}
}

// readText reads a text and replaces its references to the environment.
func (r *reader) readText(v value, expected string) (string, bool) {
	literal, ok := v.literal()
	if !ok {
		hint := ""
		if v.node != nil && v.node.isScalar() {
			hint = "write it in quotes to make it text"
		}
		r.rejectWithHint(v, expected, hint)
		return "", false
	}
	return r.expand(v, literal)
}

// nonEmpty reads a text that must not be empty.
func (r *reader) nonEmpty(v value, expected string) (string, bool) {
	text, ok := r.readText(v, expected)
	if ok && strings.TrimSpace(text) == "" {
		return "", r.reject(v, expected)
	}
	return text, ok
}

// parseText reads a text that a function parses.
func parseText[T any](r *reader, v value, expected string, parse func(text string) (T, error)) (T, bool) {
	var made T
	text, ok := r.nonEmpty(v, expected)
	if !ok {
		return made, false
	}
	made, err := parse(text)
	if err != nil {
		return made, r.reject(v, expected)
	}
	return made, true
}

// word reads one of several words, as a function folds its case.
func (r *reader) word(v value, known []string, fold func(string) string) string {
	text, ok := r.nonEmpty(v, oneOf(known))
	if !ok || slices.Contains(known, fold(text)) {
		return fold(text)
	}
	hint := ""
	if v.safe() {
		hint = didYouMean(text, known)
	}
	r.rejectWithHint(v, oneOf(known), hint)
	return ""
}

// unquoted reads a certain kind of scalar, or a text from the environment.
func (r *reader) unquoted(v value, expected string, want kind) (string, bool) {
	if literal, ok := v.literal(); ok && strings.Contains(literal, "${") {
		return r.expand(v, literal)
	}
	if v.null() || v.node.kind != want {
		hint := ""
		if literal, ok := v.literal(); ok && v.node.quoted && literal != "" && strings.Trim(literal, "0123456789") == "" {
			hint = "write it without quotes"
		}
		r.rejectWithHint(v, expected, hint)
		return "", false
	}
	return v.node.text, true
}

// integer reads a decimal integer.
func (r *reader) integer(v value, low, high int) (int, bool) {
	expected := fmt.Sprintf("a whole number from %d to %d", low, high)
	text, ok := r.unquoted(v, expected, kindInteger)
	if !ok {
		return 0, false
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < low || number > high {
		return 0, r.reject(v, expected)
	}
	return number, true
}

// setInteger sets an integer if it has a key.
func (r *reader) setInteger(m mapping, key string, high int, into *int) {
	if v, ok := m.get(key); ok {
		if number, ok := r.integer(v, 1, high); ok {
			*into = number
		}
	}
}

// setBoolean sets a boolean if it has a key.
func (r *reader) setBoolean(m mapping, key string, into *bool) {
	if v, ok := m.get(key); ok {
		*into = r.boolean(v)
	}
}

// boolean reads true or false.
func (r *reader) boolean(v value) bool {
	text, ok := r.unquoted(v, "true or false", kindBoolean)
	if !ok {
		return false
	}
	switch text {
	case "true", "True", "TRUE": // the core schema of YAML 1.2
		return true
	case "false", "False", "FALSE":
		return false
	default:
		return r.reject(v, "true or false")
	}
}

const aDuration = "a duration such as 500ms, 30s or 1h30m"

// duration reads a duration above zero, as in Go. A number without a unit is a
// mistake.
func (r *reader) duration(v value) (time.Duration, bool) {
	if v.node != nil && (v.node.kind == kindInteger || v.node.kind == kindFloat) {
		written := v.node.text
		r.report(v, written, aDuration, fmt.Sprintf("did you mean %ss?", written))
		return 0, false
	}
	if _, ok := v.literal(); !ok {
		return 0, r.reject(v, aDuration)
	}
	text, ok := r.readText(v, aDuration)
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

// safe reports whether the value can be shown: nothing in it comes from the
// environment.
func (v value) safe() bool { return v.node == nil || !v.node.usesEnvironment() }

// written returns a value as written, a text without quotes.
func (v value) written() string {
	if literal, ok := v.literal(); ok {
		return shorten(literal)
	}
	return v.describe()
}

// formatDuration formats a duration as 60s and 1h30m, not 1m0s.
func formatDuration(d time.Duration) string {
	if d%time.Second == 0 && d < 10*time.Minute {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	text := d.String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	return text
}
