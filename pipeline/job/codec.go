package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Version is the version of the wire format that this program writes, and the
// newest one that it reads.
const Version = 1

// ErrNewer is returned by [Decode] for a message whose version is newer than
// [Version]: this program must not act on what it may misunderstand.
var ErrNewer = errors.New("message is of a newer version")

// ErrMalformed is returned by [Decode] for bytes that are no message of the
// expected kind: broken JSON, an unknown field, a value of the wrong type, or
// something after the message.
var ErrMalformed = errors.New("message is malformed")

// Decode reads one message from its JSON form. The error is [ErrNewer] or
// [ErrMalformed], with the field or offset that offended.
func Decode[T any](data []byte) (T, error) {
	var message T
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrMalformed, err)
	}
	if head.V > Version {
		return message, fmt.Errorf("decode %T: %w: found v=%d, expected at most v=%d", message, ErrNewer, head.V, Version)
	}
	if head.V < 0 {
		return message, fmt.Errorf("decode %T: %w: found v=%d, expected 1 to %d", message, ErrMalformed, head.V, Version)
	}
	if err := decodeStrict(data, &message); err != nil {
		return message, fmt.Errorf("decode %T: %w: %w", message, ErrMalformed, err)
	}
	return message, nil
}

// Encode writes a message in its JSON form. It fails only for values that no
// message may hold, such as a time outside the years 0 to 9999.
func Encode(message any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false) // JSON in a message is read by people, never put into a page
	if err := encoder.Encode(message); err != nil {
		return nil, fmt.Errorf("encode %T: %w", message, err)
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}

// decodeStrict refuses unknown fields. Values that decode themselves call it
// too, since a decoder's settings do not reach into UnmarshalJSON.
func decodeStrict(data []byte, value any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(value)
}
