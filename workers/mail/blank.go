package mail

import (
	"bytes"
	"slices"
)

// dropBlankLines removes the lines of a header that hold blanks alone: go-mail
// folds a long run of blanks into such lines. They are forbidden (RFC 5322,
// 3.2.2), because some who read the mail take them for the end of the header.
// All that is lost is blanks.
func dropBlankLines(rendered []byte) []byte {
	header, body, ok := bytes.Cut(rendered, []byte("\r\n\r\n"))
	if !ok {
		return rendered
	}
	lines := bytes.Split(header, []byte("\r\n"))
	if !slices.ContainsFunc(lines, isBlankLine) {
		return rendered
	}
	lines = slices.DeleteFunc(lines, isBlankLine)
	return slices.Concat(bytes.Join(lines, []byte("\r\n")), []byte("\r\n\r\n"), body)
}

func isBlankLine(line []byte) bool { return len(bytes.Trim(line, " \t")) == 0 }
