package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// ErrMalformed is returned by [Decode] for bytes that are not a message of the
// expected kind: broken JSON, an unknown field, a value of the wrong type, or
// trailing data.
var ErrMalformed = errors.New("message is malformed")

// Decode reads one message from JSON. The error is [ErrNewer] or [ErrMalformed]
// and names the field or offset at fault.
func Decode[T any](data []byte) (T, error) {
	var message T
	if plain, ok := any(&message).(fastDecoder); ok {
		if plain.decodeFast(data) {
			return message, nil
		}
		message = *new(T)
	}
	err := decodeStrict(data, &message)
	version := versionOf(message)
	if err != nil {
		// The version is read again only after a failure: decoding is a third
		// of the cost to prepare a mail.
		peeked, broken := peekVersion(data)
		if broken != nil {
			err = broken
		}
		version = peeked
	}
	switch {
	case version > Newest:
		return *new(T), fmt.Errorf("decode %T: %w: found v=%d, expected at most v=%d", message, ErrNewer, version, Newest)
	case version < 0:
		return *new(T), fmt.Errorf("decode %T: %w: found v=%d, expected 1 to %d", message, ErrMalformed, version, Newest)
	case err != nil:
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrMalformed, err)
	default:
		return message, nil
	}
}

// Encode writes a message as JSON. It fails only for values that no message may
// hold, such as a time outside the years 0 to 9999.
func Encode(message any) ([]byte, error) {
	if body, ok := encodeFast(message); ok {
		return body, nil
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false) // people read messages; no message is part of an HTML page
	if err := encoder.Encode(message); err != nil {
		return nil, fmt.Errorf("encode %T: %w", message, err)
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}

// encodeFast writes plain results and monitors without reflection.
func encodeFast(message any) ([]byte, bool) {
	switch plain := message.(type) {
	case Result:
		return plain.encodeFast()
	case Monitor:
		return plain.encodeFast()
	default:
		return nil, false
	}
}

// decodeStrict refuses unknown fields and trailing data. UnmarshalJSON methods
// call it too, because the settings of a [json.Decoder] do not reach into them.
func decodeStrict(data []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return err
	}
	if rest := data[decoder.InputOffset():]; len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("found %.20q after the message", rest)
	}
	return nil
}

// versionOf returns the field V, which every message has.
func versionOf(message any) int { return int(reflect.ValueOf(message).FieldByName("V").Int()) }

// Wire format versions. A newer version may add fields; it never changes or
// removes existing ones. A message carries the oldest version that can express
// it, so that programs of neighbouring versions understand each other.
const (
	// Version is the version that this program writes.
	Version = 1
	// Newest is the newest version that this program reads. Code that writes a
	// field or an enumeration value added after version 1 must set V itself.
	Newest = 1
)

// ErrNewer is returned by [Decode] for a message whose version is newer than
// [Newest]: this program could misunderstand it. A handler that returns ErrNewer
// leaves the job to a newer process.
var ErrNewer = errors.New("message is of a newer version")

// Newer reports whether a message has a version that this program does not read.
func Newer(data []byte) bool {
	version, err := peekVersion(data)
	return err == nil && version > Newest
}

// peekVersion reads only the version. The error means that data is not JSON.
func peekVersion(data []byte) (int, error) {
	var head struct {
		V int `json:"v"`
	}
	err := json.Unmarshal(data, &head)
	return head.V, err
}

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
