package job

import (
	"fmt"
	"time"
)

// Duration is a [time.Duration] that is written as Go writes it: "1m30s". The
// same form serves in JSON and in YAML.
type Duration time.Duration

// Std returns the duration as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the form that MarshalText writes.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements [encoding.TextMarshaler]. It never fails.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. The error shows what
// was found and an example of what was expected.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("found %q, expected a duration such as 500ms, 30s or 1h30m", text)
	}
	*d = Duration(parsed)
	return nil
}
