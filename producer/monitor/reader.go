package monitor

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"vedette/pipeline/job"
)

// reader reads one text and continues after each mistake.
type reader struct {
	source  *source
	options Options
	inputs  *inputs
	keys    map[string][]string // that are known, by path

	problems, warnings []Problem

	standard   job.Grouping    // for recipients without a grouping
	recipients map[string]bool // nil until they are read, and when they cannot be
	names      []string        // recipients, in file order
}

func newReader(name string, data []byte, options Options) *reader {
	text := string(bytes.TrimPrefix(data, []byte("\ufeff")))
	masker := newMasker()
	r := &reader{source: &source{name: name, text: text, masker: &masker}, options: options, inputs: &inputs{}, keys: keyNames()}
	r.inputs.add(name, strings.Count(text, "\n")+1)
	return r
}

// report records a mistake.
func (r *reader) report(at value, found, expected, hint string) {
	r.problems = append(r.problems, r.source.problem(at, found, expected, hint))
}

func (r *reader) warn(at value, found, expected, hint string) {
	r.warnings = append(r.warnings, r.source.problem(at, found, expected, hint))
}

// file reads the whole file.
func (r *reader) file() *File {
	if !r.readable() {
		return nil
	}
	parsed := parseYAML(protect(r.source.text))
	if parsed.mistake != nil {
		r.reportMistake(parsed.mistake)
		return nil
	}
	root := value{node: &node{kind: kindMapping, line: 1, column: 1}, line: 1, column: 1, index: -1}
	if parsed.root != nil {
		tree := yamlTree{anchors: map[string]*node{}}
		root.node = tree.convert(parsed.root)
		root.line, root.column = position(parsed.root)
		for _, alias := range tree.unbound {
			r.report(value{line: alias.line, column: alias.column, index: -1}, "the alias *"+alias.text, "an anchor &"+alias.text+" before it", "")
		}
	}
	return r.sections(root)
}

// readable reports whether the file is text in UTF-8.
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

// firstInvalid returns the offset of the first invalid UTF-8 byte, or -1.
func firstInvalid(text string) int {
	for i, c := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); c == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}

// sections reads the sections. Top-level keys that begin with x- hold anchors.
func (r *reader) sections(v value) *File {
	file := &File{}
	if v.isMapping() {
		root := *v.node
		root.fields = slices.DeleteFunc(slices.Clone(root.fields), func(f field) bool { return strings.HasPrefix(f.key, "x-") })
		v.node = &root
	}
	root, ok := r.mapping(v, "sections such as monitors", r.keys[""]...)
	if !ok {
		return file
	}
	file.Notifications = recipientReader{r}.readNotifications(root)
	r.standard = job.DefaultGrouping()
	if own := file.Notifications.Grouping; own != nil {
		r.standard = *own
	}
	file.Recipients = recipientReader{r}.readRecipients(root)
	file.Operators, _ = recipientReader{r}.recipientNames(root, "operators")
	file.Maintenance = maintenanceReader{r}.readMaintenance(root)
	file.Mail = mailReader{r}.readMail(root)
	file.Server = processReader{r}.readServer(root)
	file.Workers = processReader{r}.readWorkers(root)
	file.Watchdogs = watchdogReader{r}.readWatchdogs(root)
	d := policyReader{r}.readDefaults(root)
	d.routes = recipientReader{r}.readRoutes(root)
	monitors := readMonitors(r, root, d)
	file.Monitors = monitors.monitors
	if r.options.Encode {
		file.Encoded = monitors.known
	}
	return file
}

func (r *reader) reportMistake(m *mistake) {
	r.report(value{line: m.line, column: m.column, index: -1}, m.found, m.expected, m.hint)
}

// section returns a section unless it is missing or empty.
func section(root mapping, key string) (value, bool) {
	v, ok := root.get(key)
	return v, ok && (!v.null() || v.unbound())
}

// sectionMapping returns the fields in a section, if it has any.
func (r *reader) sectionMapping(root mapping, key, expected string) (mapping, bool) {
	v, ok := section(root, key)
	if !ok {
		return mapping{}, false
	}
	return r.mapping(v, expected, r.keys[key]...)
}

// sectionItems returns the mappings in a section that is a list.
func (r *reader) sectionItems(root mapping, key, expected, expectedItem string) []mapping {
	v, ok := section(root, key)
	if !ok {
		return nil
	}
	items, _ := r.list(v, expected, false)
	var mappings []mapping
	for _, item := range items {
		if m, ok := r.mapping(item, expectedItem, r.keys[key+"[]"]...); ok {
			mappings = append(mappings, m)
		}
	}
	return mappings
}
