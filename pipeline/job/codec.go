package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrMalformed is returned by [Decode] for bytes that are no message of the
// expected kind: broken JSON, an unknown field, a value of the wrong type, or
// something after the message.
var ErrMalformed = errors.New("message is malformed")

// Decode reads one message from its JSON form. The error is [ErrNewer] or
// [ErrMalformed], with the field or offset that offended.
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
		// What cannot be read may be of a newer version. Only then is it read
		// twice: reading is a third of what a mail costs before it is sent.
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

// Encode writes a message in its JSON form, with the oldest version that can
// express it, unless it bears a newer one. It fails only for values that no
// message may hold, such as a time outside the years 0 to 9999.
func Encode(message any) ([]byte, error) {
	needed := Needs(message)
	if needed == Version {
		if body, ok := encodeFast(message); ok {
			return body, nil
		}
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false) // JSON in a message is read by people, never put into a page
	if err := encoder.Encode(stamp(message, needed)); err != nil {
		return nil, fmt.Errorf("encode %T: %w", message, err)
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}

// encodeFast writes a message by hand, if it is plain.
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

// decodeStrict refuses unknown fields, and anything after the value. Values that decode themselves call it
// too, since a decoder's settings do not reach into UnmarshalJSON.
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
