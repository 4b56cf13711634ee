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

// Allow says which mails people and programs may order: patterns of addresses
// such as *@example.org, without regard to case. An empty list allows all. What
// the notifier orders is not asked about: its recipients stand in the file.
type Allow struct {
	From, Recipients []string
}

// check returns why a mail is not allowed, nil if it is.
func (a Allow) check(m job.Mail) error {
	var problems []error
	if m.From != "" && !allowed(a.From, m.From) {
		problems = append(problems, fmt.Errorf("from: found %s, which is not among allow_from", m.From))
	}
	for _, to := range slices.Concat([]string{m.To}, m.ShownTo, m.CC) {
		if !allowed(a.Recipients, to) {
			problems = append(problems, fmt.Errorf("to: found %s, which is not among allow_recipients", to))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return job.Dead(job.ReasonForbidden, fmt.Errorf("send mail %s: %w", m.ID, err))
	}
	return nil
}

func allowed(patterns []string, address string) bool {
	key := notify.AddressKey(address)
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		fits, err := path.Match(strings.ToLower(pattern), key)
		return fits && err == nil
	})
}
