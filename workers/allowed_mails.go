package workers

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

// AllowedMails says which mails clients may enqueue: patterns for addresses,
// such as *@example.org, regardless of case. An empty list allows all
// addresses. Mails from the notifier are not checked, since the operators
// configure their recipients.
type AllowedMails struct {
	From, Recipients []string
}

// check returns an error for a mail that is not allowed.
func (a AllowedMails) check(m job.Mail) error {
	var problems []error
	if m.From != "" && !matchesAny(a.From, m.From) {
		problems = append(problems, fmt.Errorf("from: found %s, expected an address in allow_from", m.From))
	}
	for _, to := range slices.Concat([]string{m.To}, m.ShownTo, m.CC) {
		if !matchesAny(a.Recipients, to) {
			problems = append(problems, fmt.Errorf("to: found %s, expected an address in allow_recipients", to))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return job.Dead(job.ReasonForbidden, fmt.Errorf("send mail %s: %w", m.ID, err))
	}
	return nil
}

func matchesAny(patterns []string, address string) bool {
	key := notify.AddressKey(address)
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(strings.ToLower(pattern), key)
		return matched && err == nil
	})
}
