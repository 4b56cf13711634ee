package job

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"sync"
)

// Versions of the wire format. A version adds fields, and never changes or takes
// away what there is.
const (
	// Version is the oldest version, which every message bears that uses nothing
	// newer: programs of neighbouring versions understand each other by it.
	Version = 1
	// Newest is the newest version that this program reads. A field that came
	// after version 1 says so by a tag, as in `since:"2"`: a message in which it is
	// set bears that version, which [Encode] sees to. Whoever writes a new value of
	// an old field, such as a new kind of event, sets V itself.
	Newest = 1
)

// ErrNewer is returned by [Decode] for a message whose version is newer than
// [Newest]: this program must not act on what it may misunderstand. A handler
// that returns it gives its job back, for a newer process.
var ErrNewer = errors.New("message is of a newer version")

// Newer tells whether a message is of a version that this program does not read.
func Newer(data []byte) bool {
	version, err := peekVersion(data)
	return err == nil && version > Newest
}

// peekVersion reads the version alone. The error says that it is no JSON.
func peekVersion(data []byte) (int, error) {
	var head struct {
		V int `json:"v"`
	}
	err := json.Unmarshal(data, &head)
	return head.V, err
}

// versionOf returns the field V that every message has.
func versionOf(message any) int { return int(reflect.ValueOf(message).FieldByName("V").Int()) }

// Needs returns the oldest version that has all the fields that are set in a
// message, or in a part of one.
func Needs(message any) int {
	if Newest == Version {
		return Version // nothing has been added yet, so there is nothing to look for
	}
	return max(Version, needs(reflect.ValueOf(message)))
}

// stamp gives a message the version that it needs, if it bears an older one.
func stamp(message any, needed int) any {
	value := reflect.ValueOf(message)
	if needed == Version || value.Kind() != reflect.Struct {
		return message
	}
	if v := value.FieldByName("V"); !v.IsValid() || int(v.Int()) >= needed {
		return message
	}
	stamped := reflect.New(value.Type()).Elem()
	stamped.Set(value)
	stamped.FieldByName("V").SetInt(int64(needed))
	return stamped.Interface()
}

// needs is the newest version of the fields that are set in a value, 0 for none
// that has a tag.
func needs(value reflect.Value) int {
	if !value.IsValid() || !mayNeed(value.Type()) {
		return 0
	}
	newest := 0
	switch value.Kind() { //nolint:exhaustive // the others hold no fields
	case reflect.Pointer:
		newest = needs(value.Elem())
	case reflect.Slice:
		for i := range value.Len() {
			newest = max(newest, needs(value.Index(i)))
		}
	case reflect.Map:
		for each := value.MapRange(); each.Next(); {
			newest = max(newest, needs(each.Value()))
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if field := value.Field(i); !field.IsZero() {
				newest = max(newest, since(value.Type().Field(i)), needs(field))
			}
		}
	}
	return newest
}

// since is the version of a field's tag, 0 without one.
func since(field reflect.StructField) int {
	version, _ := strconv.Atoi(field.Tag.Get("since")) // a test reads all tags
	return version
}

// mayNeed tells whether a value of a type can hold a field with a tag. Most
// cannot, which is found out once.
func mayNeed(t reflect.Type) bool {
	if known, ok := tagged.Load(t); ok {
		return known.(bool)
	}
	found := holdsTag(t, map[reflect.Type]bool{})
	tagged.Store(t, found)
	return found
}

var tagged sync.Map //nolint:gochecknoglobals // by type, whether it holds a tag: what the program is made of

func holdsTag(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false // further up it is being found out
	}
	seen[t] = true
	switch t.Kind() { //nolint:exhaustive // the others hold no fields
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holdsTag(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if since(field) > 0 || holdsTag(field.Type, seen) {
				return true
			}
		}
	}
	return false
}
