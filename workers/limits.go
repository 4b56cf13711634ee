package workers

import "fmt"

// Limits are how many jobs a process runs at once. A zero field keeps its
// default.
type Limits struct {
	// Checks limits scheduled checks, 256 by default; Adhoc limits ad-hoc checks,
	// 64; Calls limits checks whose callers wait for the outcome, 64.
	Checks, Adhoc, Calls int
	// Evaluations limits result batches, 4.
	Evaluations int
	// Mails limits alerts, 8, and separately ad-hoc mails and mail calls.
	Mails int
}

func (l Limits) withDefaults() Limits {
	for _, field := range []struct {
		limit    *int
		standard int
	}{{&l.Checks, DefaultChecks}, {&l.Adhoc, 64}, {&l.Calls, 64}, {&l.Evaluations, 4}, {&l.Mails, 8}} {
		if *field.limit == 0 {
			*field.limit = field.standard
		}
	}
	return l
}

// DefaultChecks is the default for [Limits].Checks.
const DefaultChecks = 256

// MaxConcurrency is the upper bound for each limit.
const MaxConcurrency = 1 << 16

func (l Limits) validate() error {
	for _, field := range []struct {
		name  string
		limit int
	}{{"checks", l.Checks}, {"adhoc", l.Adhoc}, {"calls", l.Calls}, {"evaluations", l.Evaluations}, {"mails", l.Mails}} {
		if field.limit < 1 || field.limit > MaxConcurrency {
			return fmt.Errorf("limit of %s: found %d, expected 1 to %d", field.name, field.limit, MaxConcurrency)
		}
	}
	return nil
}

// fewAtOnce is the limit for pools whose jobs cost a few messages and wait for
// nothing else.
const fewAtOnce = 16
