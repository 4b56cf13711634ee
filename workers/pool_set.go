package workers

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// Limits are how many jobs a process runs at once. What is zero keeps its
// default.
type Limits struct {
	// Checks are scheduled checks, 256 by default; Requests those that somebody
	// ordered, 64; Calls those that somebody waits for, 64.
	Checks, Adhoc, Calls int
	// Evaluations are batches of results, 4.
	Evaluations int
	// Mails are alerts, and as many again that people and programs ordered, and
	// as many that somebody waits for, 8.
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

// DefaultChecks is how many scheduled checks a process runs at once unless it is
// told otherwise.
const DefaultChecks = 256

// MaxConcurrency is the most that any limit may be.
const MaxConcurrency = 1 << 16

func (l Limits) validate() error {
	for _, field := range []struct {
		name  string
		limit int
	}{{"checks", l.Checks}, {"requests", l.Adhoc}, {"calls", l.Calls}, {"evaluations", l.Evaluations}, {"mails", l.Mails}} {
		if field.limit < 1 || field.limit > MaxConcurrency {
			return fmt.Errorf("limit of %s: found %d, expected 1 to %d", field.name, field.limit, MaxConcurrency)
		}
	}
	return nil
}

// of is the limit of a pool, known by the beginning of its name.
func (l Limits) of(workers string) int {
	switch {
	case strings.HasPrefix(workers, topology.CheckConsumer("").Name):
		return l.Checks
	case strings.HasPrefix(workers, topology.AdhocConsumer("").Name):
		return l.Adhoc
	case strings.HasPrefix(workers, topology.CheckCallConsumer("").Name):
		return l.Calls
	case workers == topology.EvaluateConsumer().Name:
		return l.Evaluations
	case workers == topology.MailConsumer(job.MailOperator).Name:
		return operatorMails
	case strings.HasPrefix(workers, topology.MailConsumer("").Name), workers == topology.MailCallConsumer().Name:
		return l.Mails
	default:
		return fewAtOnce
	}
}

// operatorMails are few: many notices are one mail.
const operatorMails = 2

// fewAtOnce is enough for stages whose jobs cost a few messages and wait for
// nobody else.
const fewAtOnce = 16

// maxLimit is how far a pool's limit can be raised while it serves.
func maxLimit(limit int) int { return max(4*limit, 1024) }

// poolSet is the pools that serve at this moment, and their limits.
type poolSet struct {
	mu     sync.Mutex
	limits Limits
	pools  []*pool.Pool
}

// add makes a pool and adds it. Its limit is the present one.
func (s *poolSet) add(p *pipeline.Pipeline, config pool.Config) (*pool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config.Limit = s.limits.of(config.Consumer.Name)
	config.MaxLimit = maxLimit(config.Limit)
	workers, err := pool.New(p, config)
	if err != nil {
		return nil, err
	}
	s.pools = append(s.pools, workers)
	return workers, nil
}

func (s *poolSet) remove(workers *pool.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools = slices.DeleteFunc(s.pools, func(p *pool.Pool) bool { return p == workers })
}

func (s *poolSet) all() []*pool.Pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pools)
}

// setLimits changes the limits of what serves, and of what will. The error
// names the pools that cannot be raised so far while they serve.
func (s *poolSet) setLimits(limits Limits) error {
	limits = limits.withDefaults()
	if err := limits.validate(); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = limits
	var late []string
	for _, workers := range s.pools {
		status := workers.Status()
		if limit := limits.of(status.Name); limit != status.Limit {
			if err := workers.SetLimit(limit); err != nil {
				late = append(late, err.Error())
			}
		}
	}
	if len(late) > 0 {
		return fmt.Errorf("%s; it takes effect at the next start", strings.Join(late, "; "))
	}
	return nil
}
