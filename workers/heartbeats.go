package workers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/check"
)

// Heartbeats stores pings and reads them. The last ping for each kind is the last
// message on its subject, with the server's time, so that deadlines survive a
// restart.
type Heartbeats struct {
	p *pipeline.Pipeline

	mu     sync.Mutex
	tokens map[[sha256.Size]byte]string // the monitor, by the token's hash: a lookup's timing reveals nothing about the token
	hashes map[string][sha256.Size]byte // by monitor
}

// NewHeartbeats makes heartbeats without tokens.
func NewHeartbeats(p *pipeline.Pipeline) *Heartbeats {
	return &Heartbeats{p: p, tokens: map[[sha256.Size]byte]string{}, hashes: map[string][sha256.Size]byte{}}
}

// Define adds or replaces a monitor's token.
func (h *Heartbeats) Define(m job.Monitor) {
	h.Undefine(m.Name)
	if m.Heartbeat == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	hash := sha256.Sum256([]byte(m.Heartbeat.Token))
	h.tokens[hash], h.hashes[m.Name] = m.Name, hash
}

// Undefine removes a monitor's token.
func (h *Heartbeats) Undefine(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if hash, ok := h.hashes[name]; ok && h.tokens[hash] == name {
		delete(h.tokens, hash)
	}
	delete(h.hashes, name)
}

// Ping stores a ping if its token is known, and reports whether it is.
func (h *Heartbeats) Ping(ctx context.Context, token, kind string, ping job.Ping) (known bool, err error) {
	hash := sha256.Sum256([]byte(token))
	h.mu.Lock()
	_, known = h.tokens[hash]
	h.mu.Unlock()
	if !known {
		return false, nil
	}
	return true, h.store(ctx, token, kind, ping)
}

func (h *Heartbeats) store(ctx context.Context, token, kind string, ping job.Ping) error {
	ping.V = job.Version
	return pipeline.PublishJob(ctx, h.p, ping, pipeline.Message{Subject: topology.PingSubject(token, kind)})
}

// LastPings returns the last pings for a token. The first call stores when the
// monitoring began, from which a missing first ping is measured.
func (h *Heartbeats) LastPings(ctx context.Context, token string) (check.LastPings, error) {
	var b check.LastPings
	var succeeded, failed job.Ping
	for _, kind := range []struct {
		name string
		at   *time.Time
		ping *job.Ping
	}{{job.PingOK, &b.OK, &succeeded}, {job.PingFail, &b.Fail, &failed}, {job.PingStart, &b.Start, nil}, {job.PingSince, &b.Since, nil}} {
		body, stored, err := inspect.LastMessage(ctx, h.p, topology.Ping, topology.PingSubject(token, kind.name))
		if errors.Is(err, pipeline.ErrNotFound) {
			continue
		}
		if err != nil {
			return b, err
		}
		*kind.at = stored
		if kind.ping != nil && len(body) > 0 {
			// A ping in any format counts.
			if ping, err := job.Decode[job.Ping](body); err == nil {
				*kind.ping = ping
			} else {
				kind.ping.Output = string(body[:min(len(body), job.MaxPingOutput)])
			}
		}
	}
	b.Last = succeeded
	if b.Fail.After(b.OK) {
		b.Last = failed
	}
	if b.Since.IsZero() {
		if err := h.store(ctx, token, job.PingSince, job.Ping{}); err != nil {
			return b, fmt.Errorf("begin heartbeat: %w", err)
		}
		b.Since = time.Now()
	}
	return b, nil
}
