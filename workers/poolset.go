package workers

import (
	"slices"
	"sync"

	"vedette/pipeline"
)

// poolSet is the pools that serve at this moment, for status.
type poolSet struct {
	mu    sync.Mutex
	pools []*pipeline.Pool
}

func (s *poolSet) add(pools ...*pipeline.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools = append(s.pools, pools...)
}

func (s *poolSet) remove(pools ...*pipeline.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pools = slices.DeleteFunc(s.pools, func(p *pipeline.Pool) bool { return slices.Contains(pools, p) })
}

func (s *poolSet) all() []*pipeline.Pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pools)
}
