package cli

import (
	"cmp"
	"errors"
	"io"
	"strings"
)

// problem is one part of an error, as it is printed.
type problem struct {
	err  error // for known hints
	text string
	hint string
	code int
	// otherwise is the hint if no other is known.
	otherwise string
}

// PrintError prints a line for each part of an error, followed by its hint, and
// returns the exit code: the highest among the parts.
func PrintError(to io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	code, last := ExitOK, ""
	for _, p := range problems(err) {
		code = max(code, p.code)
		if p.text == "" {
			continue
		}
		hint := cmp.Or(p.hint, knownHint(p.err), p.otherwise)
		if last != "" && hint != last {
			Writef(to, "hint: %s\n", last)
		}
		Writef(to, "vedette: %s\n", p.text)
		last = hint
	}
	if last != "" {
		Writef(to, "hint: %s\n", last)
	}
	return code
}

// problems takes an error apart. The context, hint and exit code of an error
// that wraps several parts apply to each of them.
func problems(err error) []problem {
	var parts []problem
	switch e := err.(type) { //nolint:errorlint // takes off one layer
	case *ExitError:
		if e.Err == nil {
			return []problem{{code: e.Code}}
		}
		parts = problems(e.Err)
		for i := range parts {
			parts[i].code, parts[i].otherwise = e.Code, e.Hint
		}
	case *HintError:
		parts = problems(e.Err)
		for i := range parts {
			parts[i].hint = cmp.Or(parts[i].hint, e.Hint)
		}
	case interface{ Unwrap() []error }:
		joined := errors.Join(e.Unwrap()...)
		if joined == nil || joined.Error() != err.Error() { // a single message with several causes
			return []problem{{err: err, text: err.Error(), code: ExitFailed}}
		}
		for _, part := range e.Unwrap() {
			parts = append(parts, problems(part)...)
		}
	default:
		parts = causes(err)
	}
	return parts
}

// causes returns the parts of the only cause of an error, in its context.
func causes(err error) []problem {
	whole := problem{err: err, text: err.Error(), code: ExitFailed}
	cause := errors.Unwrap(err)
	if cause == nil {
		return []problem{whole}
	}
	parts := problems(cause)
	context, ok := strings.CutSuffix(whole.text, cause.Error())
	if len(parts) == 1 || !ok {
		whole.hint, whole.code, whole.otherwise = parts[0].hint, parts[0].code, parts[0].otherwise
		return []problem{whole}
	}
	for i := range parts {
		parts[i].text = context + parts[i].text
	}
	return parts
}
