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
func (c *collector) fieldsOf(t reflect.Type) []probeField {
	if known, ok := c.structs[t]; ok {
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
	c.structs[t] = fields
	return fields
}

// maxNumber bounds numbers of probes; what makes sense the probe knows.
const maxNumber = 1 << 30

// field reads a value into a field.
func (c *collector) field(v value, f probeField, into reflect.Value) {
	v.secret, v.sent = v.secret || f.is("secret"), f.is("sent")
	switch into.Interface().(type) {
	case string:
		into.SetString(c.word(v, f))
	case int:
		number, _ := c.integer(v, 0, f.max())
		into.SetInt(int64(number))
	case bool:
		into.SetBool(c.boolean(v))
	case job.Duration:
		d, _ := c.duration(v)
		into.SetInt(int64(d))
	case map[string]string:
		into.Set(reflect.ValueOf(c.headers(v)))
	default:
		c.compound(v, f, into)
	}
}

// compound reads what is made of other values.
func (c *collector) compound(v value, f probeField, into reflect.Value) {
	switch into.Kind() {
	case reflect.Pointer:
		made := reflect.New(into.Type().Elem())
		c.field(v, f, made.Elem())
		into.Set(made)
	case reflect.Slice:
		items, _ := c.list(v, "a list", false)
		for _, item := range items {
			made := reflect.New(into.Type().Elem()).Elem()
			c.field(item, f, made)
			into.Set(reflect.Append(into, made))
		}
	case reflect.Struct:
		c.structure(v, into)
	default:
		panic("no way to read a field of type " + into.Type().String()) // a new probe needs one
	}
}

// word reads text, as the field's tag has it.
func (c *collector) word(v value, f probeField) string {
	switch {
	case f.is("url"):
		return c.url(v)
	case f.is("method"):
		return c.method(v)
	case f.is("address"):
		return c.hostPort(v, 1)
	case f.is("required"):
		text, _ := c.filled(v, "text")
		return text
	default:
		text, _ := c.text(v, "text")
		return text
	}
}

// structure reads a mapping into a struct; text instead is its short form.
func (c *collector) structure(v value, into reflect.Value) {
	fields := c.fieldsOf(into.Type())
	names := make([]string, len(fields))
	expected := "a mapping"
	for i, f := range fields {
		names[i] = f.name
		if !f.is("short") {
			continue
		}
		expected = what(f) + ", or a mapping with " + f.name
		if _, short := v.literal(); short {
			c.field(v, f, into.FieldByIndex(f.index))
			return
		}
	}
	m, ok := c.mapping(v, expected, names...)
	if !ok {
		return
	}
	for _, f := range fields {
		if f.is("required") {
			c.required(m, f.name, what(f))
		}
		if inner, ok := m.get(f.name); ok {
			c.field(inner, f, into.FieldByIndex(f.index))
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
