package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Writef prints next to a command's results, or in a table. It ignores errors: a
// closed terminal must not stop the command.
func Writef(to io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }

// NewTable returns a table with two blanks between its columns.
func NewTable(to io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(to, 0, 0, 2, ' ', 0) //nolint:mnd // blanks
}

// PrintJSON prints a value as an indented document.
func PrintJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// Printable replaces control characters in foreign text, which could change the
// terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

// maxCell limits a text in a table; JSON output has all of it.
const maxCell = 80

// Truncate shortens a text for a table.
func Truncate(s string) string {
	if runes := []rune(s); len(runes) > maxCell {
		return string(runes[:maxCell-1]) + "…"
	}
	return s
}

// TimeText returns a local time, or "" for none.
func TimeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// JoinClose closes a connection at the end of a command, and joins both errors.
func JoinClose(c interface{ Close() error }, err error) error { return errors.Join(err, c.Close()) }

// Count returns a number with its noun, such as "1 monitor" or "2 monitors".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
