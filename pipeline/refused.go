package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrRefused matches every [RefusedError].
var ErrRefused = errors.New("the server does not allow it to this user")

// RefusedError means that the user lacks a right. The server reports it to the
// connection, and leaves the request without an answer.
type RefusedError struct {
	// Action is publish or subscribe. It and Subject are empty if the server's text
	// is not known.
	Action, Subject string
	// Text is the server's text.
	Text string
}

// Error names the missing right.
func (e *RefusedError) Error() string {
	if e.Subject == "" {
		return fmt.Sprintf("%v: %s", ErrRefused, e.Text)
	}
	return fmt.Sprintf("%s %s: %v", e.Action, e.Subject, ErrRefused)
}

// Is reports whether target is [ErrRefused].
func (*RefusedError) Is(target error) bool { return target == ErrRefused }

var violation = regexp.MustCompile(`(?i)for (publish|subscription) to "([^"]*)"`)

// refusal parses the library's error.
func refusal(err error) *RefusedError {
	refused := &RefusedError{Text: err.Error()}
	if found := violation.FindStringSubmatch(refused.Text); found != nil {
		refused.Action, refused.Subject = strings.ToLower(found[1]), found[2]
	}
	if refused.Action == "subscription" {
		refused.Action = "subscribe"
	}
	return refused
}
