package monitor

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// probeField is a field of a probe's struct: its name in files and what its tag
// "file" says of it, see vedette/pipeline/job.
type probeField struct {
	name  string
	index []int
	tags  []string
}

func (f probeField) is(tag string) bool { return slices.Contains(f.tags, tag) }

// max is the greatest that a number in the field may be.
func (f probeField) max() int {
	for _, tag := range f.tags {
		if text, ok := strings.CutPrefix(tag, "max="); ok {
			if limit, err := strconv.Atoi(text); err == nil {
				return limit
			}
		}
	}
	return maxNumber
}

// fieldsOf returns the fields of a struct, those of embedded ones among them.
// It remembers them: there may be a million probes.
func (w *watch) fieldsOf(t reflect.Type) []probeField {
	if known, ok := w.structs[t]; ok {
		return known
	}
	var fields []probeField
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" {
			continue
		}
		fields = append(fields, probeField{name: name, index: f.Index, tags: strings.Split(f.Tag.Get("file"), ",")})
	}
	w.structs[t] = fields
	return fields
}

// maxNumber bounds numbers of probes; what makes sense the probe knows.
const maxNumber = 1 << 30

// field reads a value into a field.
func (w *watch) field(v value, f probeField, into reflect.Value) {
	v.secret, v.sent = v.secret || f.is("secret"), f.is("sent")
	switch into.Interface().(type) {
	case string:
		into.SetString(w.word(v, f))
	case int:
		number, _ := w.integer(v, 0, f.max())
		into.SetInt(int64(number))
	case bool:
		into.SetBool(w.boolean(v))
	case job.Duration:
		d, _ := w.duration(v)
		into.SetInt(int64(d))
	case map[string]string:
		into.Set(reflect.ValueOf(w.headers(v)))
	default:
		w.compound(v, f, into)
	}
}

// compound reads what is made of other values.
func (w *watch) compound(v value, f probeField, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		made := reflect.New(into.Type().Elem())
		w.field(v, f, made.Elem())
		into.Set(made)
	case reflect.Slice:
		items, _ := w.list(v, "a list", false)
		for _, item := range items {
			made := reflect.New(into.Type().Elem()).Elem()
			w.field(item, f, made)
			into.Set(reflect.Append(into, made))
		}
	case reflect.Struct:
		w.structure(v, into)
	default:
		panic("no way to read a field of type " + into.Type().String()) // a new probe needs one
	}
}

// word reads text, as the field's tag has it.
func (w *watch) word(v value, f probeField) string {
	switch {
	case f.is("url"):
		return w.url(v)
	case f.is("method"):
		return w.method(v)
	case f.is("address"):
		return w.hostPort(v, 1)
	case f.is("required"):
		text, _ := w.filled(v, "text")
		return text
	default:
		text, _ := w.text(v, "text")
		return text
	}
}

// structure reads a mapping into a struct; text instead is its short form.
func (w *watch) structure(v value, into reflect.Value) {
	fields := w.fieldsOf(into.Type())
	names := make([]string, len(fields))
	expected := "a mapping"
	for i, f := range fields {
		names[i] = f.name
		if !f.is("short") {
			continue
		}
		expected = what(f) + ", or a mapping with " + f.name
		if _, short := v.literal(); short {
			w.field(v, f, into.FieldByIndex(f.index))
			return
		}
	}
	m, ok := w.mapping(v, expected, names...)
	if !ok {
		return
	}
	for _, f := range fields {
		if f.is("required") {
			w.must(m, f.name, what(f))
		}
		if inner, ok := w.get(m, f.name); ok {
			w.field(inner, f, into.FieldByIndex(f.index))
		}
	}
}

// what is expected of a field, in words.
func what(f probeField) string {
	switch {
	case f.is("url"):
		return aURL
	case f.is("address"):
		return "host:port"
	case f.is("duration"):
		return aDuration
	default:
		return "text"
	}
}
