package monitor

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"vedette/pipeline/job"
)

// reader reads one file, and goes on after each mistake.
type reader struct {
	source  source
	options Options
	anchors *anchors
	merged  map[ast.Node][]field // the fields of what was merged
	trial   bool                 // mistakes only count, since they are looked for again

	problems, warnings []Problem

	standard   job.Grouping    // of recipients who have none of their own
	recipients map[string]bool // nil until they are read, and when they cannot be
	names      []string        // of the recipients, in the order of the file
}

func newReader(name string, data []byte, options Options) *reader {
	return &reader{
		source: source{name: name, text: string(bytes.TrimPrefix(data, []byte("\ufeff")))}, options: options,
		anchors: newAnchors(), merged: map[ast.Node][]field{},
	}
}

// report notes a mistake.
func (r *reader) report(at value, found, expected, hint string) {
	if r.trial {
		r.problems = append(r.problems, Problem{})
		return
	}
	r.problems = append(r.problems, r.problem(at, found, expected, hint))
}

func (r *reader) warn(at value, found, expected, hint string) {
	r.warnings = append(r.warnings, r.problem(at, found, expected, hint))
}

func (r *reader) problem(at value, found, expected, hint string) Problem {
	line, column := max(1, at.line), max(1, at.column)
	return Problem{
		File: r.source.name, Line: line, Column: column, Field: at.path(),
		Found: found, Expected: expected, Hint: hint, Source: r.source.line(line),
	}
}

// file reads the whole file.
func (r *reader) file() *File {
	if !r.readable() {
		return nil
	}
	text := protect(r.source.text)
	if len(text) > chunkAbove {
		if rest, chunks := cut(text); len(chunks) > 0 {
			head := parseYAML(rest, 0)
			r.anchors.bind(head.root)
			if len(r.anchors.unbound) == 0 {
				return r.sections(head, chunks)
			}
			r.anchors = newAnchors() // an anchor of a monitor is used outside of the list
		}
	}
	whole := parseYAML(text, 0)
	r.anchors.bind(whole.root)
	return r.sections(whole, nil)
}

// readable reports whether the file is text that YAML can be looked for in.
func (r *reader) readable() bool {
	offset, found := strings.IndexAny(r.source.text, openBrace+closeBrace), "a Unicode noncharacter"
	if !utf8.ValidString(r.source.text) {
		offset, found = firstInvalid(r.source.text), "bytes that are no UTF-8"
	}
	if offset < 0 {
		return true
	}
	line, column := place(r.source.text, offset)
	r.report(value{line: line, column: column, index: -1}, found, "text", "")
	return false
}

// firstInvalid returns where a text stops to be UTF-8.
func firstInvalid(text string) int {
	for i, c := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); c == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}

func (r *reader) sections(whole parsed, chunks []chunk) *File {
	file := &File{}
	r.reportUnbound(0)
	if whole.mistake != nil {
		r.reportMistake(whole.mistake)
		return file
	}
	root := mapping{value: value{line: 1, column: 1, index: -1}}
	if whole.root != nil {
		v := value{node: r.anchors.resolve(whole.root), index: -1}
		v.line, v.column = position(whole.root)
		var ok bool
		if root, ok = r.mapping(v, "sections such as monitors", "recipients", "operators", "routes", "notifications", "maintenance", "mail", "server", "workers", "defaults", "monitors"); !ok {
			return file
		}
	}
	file.Notifications = r.readNotifications(root)
	r.standard = job.DefaultGrouping()
	if own := file.Notifications.Grouping; own != nil {
		r.standard = *own
	}
	file.Recipients = r.readRecipients(root)
	file.Operators, _ = r.recipientNames(root, "operators")
	file.Maintenance = r.readMaintenance(root)
	file.Mail = r.readMail(root)
	file.Server = r.readServer(root)
	file.Workers = r.readWorkers(root)
	d := r.readDefaults(root)
	d.routes = r.readRoutes(root)
	w := r.readMonitors(root, d, chunks)
	file.Monitors = w.monitors
	if r.options.Encode {
		file.Encoded = w.known
	}
	return file
}

func (r *reader) reportMistake(m *mistake) {
	r.report(value{line: m.line, column: m.column, index: -1}, m.found, m.expected, m.hint)
}

// reportUnbound reports the aliases without an anchor, from one on.
func (r *reader) reportUnbound(from int) {
	for _, alias := range r.anchors.unbound[from:] {
		line, column := position(alias)
		name := nameOf(alias.Value)
		r.report(value{line: line, column: column, index: -1}, "the alias *"+name, "an anchor &"+name+" before it", "")
	}
}

// section returns a section of the file, unless it is left out or empty.
func (r *reader) section(root mapping, key string) (value, bool) {
	v, ok := r.get(root, key)
	return v, ok && (!v.null() || r.danglingAt(v))
}
