package job

import (
	"strconv"
	"time"
)

// Duration is a [time.Duration] in the text form that Go uses: "1m30s". JSON and
// YAML share this form.
type Duration time.Duration

// Std returns the duration as a [time.Duration].
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns the text form.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements [encoding.TextMarshaler]. It never fails.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. The error quotes the text
// and gives an example.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return Problem{Found: strconv.Quote(string(text)), Expected: "a duration such as 500ms, 30s or 1h30m"}
	}
	*d = Duration(parsed)
	return nil
}
