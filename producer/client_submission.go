package producer

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// submission is a job to be enqueued.
type submission struct {
	kind     string
	id       string
	callerID bool // the caller has chosen the id
	subject  string
	message  any
}

func newCheckSubmission(check job.Check, call bool) (submission, error) {
	s := submission{kind: job.JobCheck, id: check.ID}
	check.V, check.Location = job.Version, cmp.Or(check.Location, job.DefaultLocation)
	var problems []error
	if _, err := check.Kind(); err != nil {
		problems = append(problems, err)
	}
	if check.Monitor != "" || !check.Slot.IsZero() {
		problems = append(problems, errors.New("monitor and slot: found one, expected none: only the scheduler sets them"))
	}
	if names := check.SecretNames(); len(names) > 0 {
		problems = append(problems, fmt.Errorf("secrets: found a reference to %s, expected none: only monitors may use secrets", names[0]))
	}
	if !job.ValidName(check.Location) || strings.Contains(check.Location, ".") {
		problems = append(problems, fmt.Errorf("location: found %q, expected letters, digits, _ and -", check.Location))
	}
	if err := s.identify(problems); err != nil {
		return s, err
	}
	check.ID, s.message = s.id, check
	s.subject = topology.AdhocSubject(check.Location, s.id)
	if call {
		s.subject = topology.CallCheckSubject(check.Location, s.id)
	}
	return s, nil
}

func newMailSubmission(m job.Mail, call bool) (submission, error) {
	s := submission{kind: job.JobMail, id: m.ID}
	m.V = job.Version
	var problems []error
	if _, err := mail.ParseAddress(m.To); err != nil {
		problems = append(problems, fmt.Errorf("to: found %q, expected one address such as ops@example.org", m.To))
	}
	if strings.ContainsAny(m.Subject, "\r\n") {
		problems = append(problems, errors.New("subject: found a line break, expected one line"))
	}
	if err := s.identify(problems); err != nil {
		return s, err
	}
	m.ID, s.message = s.id, m
	s.subject = topology.MailSubject(job.MailAdhoc, s.id)
	if call {
		s.subject = topology.CallMailSubject(s.id)
	}
	return s, nil
}

// identify sets a random id if there is none, and joins the problems.
func (s *submission) identify(problems []error) error {
	s.callerID = s.id != ""
	if !s.callerID {
		s.id = strings.ToLower(rand.Text())
	}
	if !job.ValidName(s.id) {
		problems = append(problems, fmt.Errorf("id: found %q, expected letters, digits, _, - and single dots", s.id))
	}
	if err := errors.Join(problems...); err != nil {
		return &InvalidError{Kind: s.kind, Err: err}
	}
	return nil
}

// InvalidError has the mistakes in a job that was not enqueued.
type InvalidError struct {
	Kind string
	Err  error
}

// Error returns all mistakes.
func (e *InvalidError) Error() string { return "enqueue " + e.Kind + ": " + e.Err.Error() }

// Unwrap returns all mistakes.
func (e *InvalidError) Unwrap() error { return e.Err }
