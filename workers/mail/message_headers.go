package mail

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

const (
	// maxHeaders and maxHeaderLength bound the custom headers in a job.
	maxHeaders      = 50
	maxHeaderLength = 500
)

// reservedHeaders are set by this package or by the servers on the way.
func reservedHeaders() []string {
	return []string{
		"from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references", "return-path",
		"received", "delivered-to", "mime-version", "dkim-signature", "auto-submitted", "x-auto-response-suppress",
	}
}

// validateHeaders refuses names and values that would break the header (RFC
// 5322, 2.2: a name is printable ASCII without a colon), and names that differ
// in case alone, since it is undefined whose value counts.
func validateHeaders(m job.Mail) error {
	headers := m.Headers
	var p problems
	p.require(len(headers) <= maxHeaders, "headers: found %d, expected at most %d", len(headers), maxHeaders)
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value, lower := headers[name], strings.ToLower(name)
		switch {
		case seen[lower]:
			p.require(false, "headers: found %s twice", name)
		case name == "" || strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) >= 0:
			p.require(false, "headers: found the name %q, expected printable ASCII without a colon", name)
		case lower == "list-id" && m.List != "":
			p.require(false, "list: found the header List-Id too, expected only one")
		case slices.Contains(reservedHeaders(), lower) || strings.HasPrefix(lower, "content-"):
			p.require(false, "headers: found %s, which cannot be set", name)
		case strings.ContainsAny(value, "\r\n\x00") || len(value) > maxHeaderLength:
			p.require(false, "headers: %s: found %.40q, expected one line of at most %d bytes", name, value, maxHeaderLength)
		}
		seen[lower] = true
	}
	return errors.Join(p...)
}

// dropBlankLines removes header lines that contain only blanks. go-mail folds
// long runs of blanks into such lines, but they are forbidden (RFC 5322,
// 3.2.2), because some readers take them for the end of the header. Only blanks
// are lost.
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
