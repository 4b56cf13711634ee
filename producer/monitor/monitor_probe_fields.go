package monitor

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// probeField is a field of a probe's struct: its key in the file, and its tags,
// which vedette/pipeline/job describes.
type probeField struct {
	name  string
	index []int
	typ   reflect.Type
	owner string // the struct that has it, which may be embedded
	tags  []string
}

func (f probeField) has(tag string) bool { return slices.Contains(f.tags, tag) }

// limit is the largest number that the field may have.
func (f probeField) limit() int {
	for _, tag := range f.tags {
		if text, ok := strings.CutPrefix(tag, "max="); ok {
			if limit, err := strconv.Atoi(text); err == nil {
				return limit
			}
		}
	}
	return maxNumber
}

// probeFields returns the fields of a struct, including embedded ones.
func probeFields(t reflect.Type) []probeField {
	var fields []probeField
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" {
			continue
		}
		owner := t
		if last := len(f.Index) - 1; last > 0 {
			owner = t.FieldByIndex(f.Index[:last]).Type
		}
		fields = append(fields, probeField{name: name, index: f.Index, typ: f.Type, owner: owner.Name(), tags: strings.Split(f.Tag.Get("file"), ",")})
	}
	return fields
}

// fieldsOf caches probeFields: there may be a million probes.
func (c probeReader) fieldsOf(t reflect.Type) []probeField {
	known, ok := c.structs[t]
	if !ok {
		known = probeFields(t)
		c.structs[t] = known
	}
	return known
}

// maxNumber limits numbers; the probe knows the useful range.
const maxNumber = 1 << 30

// probeValue reads a value into a field.
func (c probeReader) probeValue(v value, f probeField, into reflect.Value) {
	v.secret, v.sent = v.secret || f.has("secret"), f.has("sent")
	switch into.Interface().(type) {
	case string:
		into.SetString(c.probeText(v, f))
	case int:
		number, _ := c.integer(v, 0, f.limit())
		into.SetInt(int64(number))
	case bool:
		into.SetBool(c.boolean(v))
	case job.Duration:
		d, _ := c.duration(v)
		into.SetInt(int64(d))
	case map[string]string:
		into.Set(reflect.ValueOf(c.headers(v)))
	default:
		c.probeCompound(v, f, into)
	}
}

// probeCompound reads pointers, lists and structs.
func (c probeReader) probeCompound(v value, f probeField, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		made := reflect.New(into.Type().Elem())
		c.probeValue(v, f, made.Elem())
		into.Set(made)
	case reflect.Slice:
		items, _ := c.list(v, "a list", false)
		for _, item := range items {
			made := reflect.New(into.Type().Elem()).Elem()
			c.probeValue(item, f, made)
			into.Set(reflect.Append(into, made))
		}
	case reflect.Struct:
		c.probeMapping(v, into)
	default:
		panic("no way to read a field of type " + into.Type().String()) // a new probe needs one
	}
}

// probeText reads text with the syntax in the field's tag.
func (c probeReader) probeText(v value, f probeField) string {
	switch {
	case f.has("url"):
		return c.httpURL(v)
	case f.has("method"):
		return c.httpMethod(v)
	case f.has("address"):
		return processReader{c.reader}.hostPort(v, 1)
	case f.has("required"):
		text, _ := c.nonEmpty(v, "text")
		return text
	default:
		text, _ := c.readText(v, "text")
		return text
	}
}

// probeMapping reads a mapping into a struct; a text is the short form.
func (c probeReader) probeMapping(v value, into reflect.Value) {
	fields := c.fieldsOf(into.Type())
	names := make([]string, len(fields))
	expected := "a mapping"
	for i, f := range fields {
		names[i] = f.name
		if !f.has("short") {
			continue
		}
		expected = expectedOf(f) + ", or a mapping with " + f.name
		if _, short := v.literal(); short {
			c.probeValue(v, f, into.FieldByIndex(f.index))
			return
		}
	}
	m, ok := c.mapping(v, expected, names...)
	if !ok {
		return
	}
	for _, f := range fields {
		if f.has("required") {
			c.required(m, f.name, expectedOf(f))
		}
		if inner, ok := m.get(f.name); ok {
			c.probeValue(inner, f, into.FieldByIndex(f.index))
		}
	}
}

// expectedOf returns what is expected for a field.
func expectedOf(f probeField) string {
	switch {
	case f.has("url"):
		return aURL
	case f.has("address"):
		return "host:port"
	case f.has("duration"):
		return aDuration
	default:
		return "text"
	}
}
