package cli

import (
	"errors"
	"fmt"
	"strings"
)

// Printable keeps what came from outside from steering the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '�'
		}
		return r
	}, s)
}

// JoinClose closes a connection at the end of a command, and joins both errors.
func JoinClose(c interface{ Close() error }, err error) error { return errors.Join(err, c.Close()) }

// Count is a number of things, as "1 monitor" or "2 monitors".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
