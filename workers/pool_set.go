package workers

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"vedette/pipeline"
	"vedette/pipeline/pool"
)

// poolSet has the pools that serve at this moment, and their limits.
type poolSet struct {
	mu     sync.Mutex
	limits Limits
	pools  []limitedPool
}

// limitedPool is a pool, and the limit that applies to it.
type limitedPool struct {
	*pool.Pool

	limit func(Limits) int
}

// add makes a pool with its present limit, and adds it.
func (s *poolSet) add(p *pipeline.Pipeline, config pool.Config, limit func(Limits) int) (*pool.Pool, error) {
	if limit == nil {
		limit = func(Limits) int { return fewAtOnce }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	config.Limit = limit(s.limits)
	config.MaxLimit = max(4*config.Limit, 1024) // how far the limit can be raised while the pool serves
	workers, err := pool.New(p, config)
	if err != nil {
		return nil, err
	}
	s.pools = append(s.pools, limitedPool{Pool: workers, limit: limit})
	return workers, nil
}

func (s *poolSet) remove(workers *pool.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools = slices.DeleteFunc(s.pools, func(p limitedPool) bool { return p.Pool == workers })
}

func (s *poolSet) all() []limitedPool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pools)
}

// setLimits changes the limits for the present pools and for later ones. The
// error names the pools whose limit cannot be raised so far while they serve.
func (s *poolSet) setLimits(limits Limits) error {
	limits = limits.withDefaults()
	if err := limits.validate(); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = limits
	var refused []string
	for _, workers := range s.pools {
		if limit := workers.limit(limits); limit != workers.Status().Limit {
			if err := workers.SetLimit(limit); err != nil {
				refused = append(refused, err.Error())
			}
		}
	}
	if len(refused) > 0 {
		return fmt.Errorf("%s; it takes effect at the next start", strings.Join(refused, "; "))
	}
	return nil
}
