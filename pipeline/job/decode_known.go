package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// DecodeKnown reads a message as [Decode] does, and of one of a newer version
// what this program knows of it. It is for those who show it to people, or only
// need what has always been there; not for those who act on all of it, or write
// it again.
func DecodeKnown[T any](data []byte) (T, error) {
	message, err := Decode[T](data)
	if !errors.Is(err, ErrNewer) {
		return message, err
	}
	var whole any
	if err := json.Unmarshal(data, &whole); err != nil {
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrMalformed, err)
	}
	prune(whole, reflect.TypeFor[T]())
	rest, err := json.Marshal(whole)
	if err == nil {
		err = decodeStrict(rest, &message)
	}
	if err != nil {
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrNewer, err)
	}
	return message, nil
}

// prune takes away the fields that a type does not know.
func prune(value any, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch value := value.(type) {
	case []any:
		if t.Kind() == reflect.Slice {
			for _, element := range value {
				prune(element, t.Elem())
			}
		}
	case map[string]any:
		known := map[string]reflect.Type{}
		if t.Kind() == reflect.Struct {
			fieldsOf(t, known)
		}
		for name, field := range value {
			switch of, ok := known[name]; {
			case t.Kind() == reflect.Map:
				prune(field, t.Elem())
			case ok:
				prune(field, of)
			case t.Kind() == reflect.Struct:
				delete(value, name)
			}
		}
	}
}

// fieldsOf gathers the fields of a struct by their names in JSON, with those of
// the structs that are embedded in it.
func fieldsOf(t reflect.Type, known map[string]reflect.Type) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name != "":
			known[name] = field.Type
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			fieldsOf(field.Type, known)
		}
	}
}
