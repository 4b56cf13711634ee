package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// DecodeKnown reads a message like [Decode], and reads the known fields from a
// message of a newer version. Use it to display messages, or where only fields
// of version 1 matter; never to act on a whole message or to write it again.
func DecodeKnown[T any](data []byte) (T, error) {
	message, err := Decode[T](data)
	if !errors.Is(err, ErrNewer) {
		return message, err
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrMalformed, err)
	}
	prune(tree, reflect.TypeFor[T]())
	known, err := json.Marshal(tree)
	if err == nil {
		err = decodeStrict(known, &message)
	}
	if err != nil {
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrNewer, err)
	}
	return message, nil
}

// prune removes the fields that a type does not have.
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
			collectFields(t, known)
		}
		for name, field := range value {
			switch fieldType, ok := known[name]; {
			case t.Kind() == reflect.Map:
				prune(field, t.Elem())
			case ok:
				prune(field, fieldType)
			case t.Kind() == reflect.Struct:
				delete(value, name)
			}
		}
	}
}

// collectFields adds the fields of a struct by JSON name, including those of
// embedded structs.
func collectFields(t reflect.Type, known map[string]reflect.Type) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name != "":
			known[name] = field.Type
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			collectFields(field.Type, known)
		}
	}
}
