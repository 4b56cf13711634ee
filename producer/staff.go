package producer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/process"
)

// staff knows where somebody lives who makes checks.
type staff struct {
	p   *pipeline.Pipeline
	log *slog.Logger

	mu    sync.Mutex
	known map[string]presence // by location
}

// presence is what was found at a location, and when.
type presence struct {
	serves bool
	at     time.Time
}

// checkRole is the role of processes that make checks, as their leases have it.
const checkRole = "check"

// staffFresh is how long an answer counts: leases change every few seconds.
const staffFresh = 5 * time.Second

func newStaff(p *pipeline.Pipeline, log *slog.Logger) *staff {
	return &staff{p: p, log: log, known: map[string]presence{}}
}

// serves tells whether somebody lives who makes checks at a location. Who cannot
// find out believes so: the reason of a miss is not worth failing for.
func (s *staff) serves(ctx context.Context, location string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[location]; ok && time.Since(known.at) < staffFresh {
		return known.serves
	}
	serves, err := process.Serves(ctx, s.p, checkRole, location)
	if err != nil {
		s.log.WarnContext(ctx, "look for workers", "location", location, "error", err)
		serves = true
	}
	s.known[location] = presence{serves: serves, at: time.Now()}
	return serves
}
