package producer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/process"
)

// workerPresence knows at which locations a process makes checks.
type workerPresence struct {
	p   *pipeline.Pipeline
	log *slog.Logger

	mu     sync.Mutex
	cached map[string]cachedPresence // by location
}

// cachedPresence is an answer from the server.
type cachedPresence struct {
	exists bool
	at     time.Time
}

// checkStage is the stage that makes checks, as in the processes' leases.
const checkStage = "check"

// presenceMaxAge is how long an answer is used: leases change every few
// seconds.
const presenceMaxAge = 5 * time.Second

func newWorkerPresence(p *pipeline.Pipeline, log *slog.Logger) *workerPresence {
	return &workerPresence{p: p, log: log, cached: map[string]cachedPresence{}}
}

// exists reports whether a process makes checks at a location. If that cannot
// be determined, it returns true: the reason for a miss is not worth an error.
func (s *workerPresence) exists(ctx context.Context, location string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.cached[location]; ok && time.Since(known.at) < presenceMaxAge {
		return known.exists
	}
	serves, err := process.Serves(ctx, s.p, checkStage, location)
	if err != nil {
		s.log.WarnContext(ctx, "workers could not be looked up", "location", location, "error", err)
		serves = true
	}
	s.cached[location] = cachedPresence{exists: serves, at: time.Now()}
	return serves
}
