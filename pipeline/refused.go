package pipeline

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrRefused is what a [RefusedError] is.
var ErrRefused = errors.New("the server does not allow it to this user")

// RefusedError is the server's word that the user lacks a right. The server
// tells it apart from requests, of which whoever waits for the answer learns
// nothing.
type RefusedError struct {
	// Action is what was tried, publish or subscribe, and Subject where; both are
	// empty when the server says it in words that are not known.
	Action, Subject string
	// Text is how the server said it.
	Text string
}

// Error tells which right is missing.
func (e *RefusedError) Error() string {
	if e.Subject == "" {
		return fmt.Sprintf("%v: %s", ErrRefused, e.Text)
	}
	return fmt.Sprintf("%s %s: %v", e.Action, e.Subject, ErrRefused)
}

// Is makes it an [ErrRefused].
func (*RefusedError) Is(target error) bool { return target == ErrRefused }

var violation = regexp.MustCompile(`(?i)for (publish|subscription) to "([^"]*)"`)

// refusal reads the library's error.
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
