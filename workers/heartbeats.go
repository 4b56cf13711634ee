package workers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/clock"
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
	loaded bool                         // all tokens are known
	// absence is when the last absence began, and absenceSeen since when this process
	// sees it.
	absence, absenceSeen time.Time
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

// SetLoaded reports that the monitors that existed at the start are defined.
func (h *Heartbeats) SetLoaded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loaded = true
}

// Loaded reports whether all tokens are known.
func (h *Heartbeats) Loaded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loaded
}

// errNotLoaded is returned for a ping with an unknown token while the definitions are
// being read.
var errNotLoaded = errors.New("the definitions are not read yet")

// Ping stores a ping if its token is known, and reports whether it is. An error means
// that the job may try again.
func (h *Heartbeats) Ping(ctx context.Context, token, kind string, ping job.Ping) (known bool, err error) {
	hash := sha256.Sum256([]byte(token))
	h.mu.Lock()
	_, known = h.tokens[hash]
	loaded := h.loaded
	h.mu.Unlock()
	if !known && !loaded {
		return false, errNotLoaded
	}
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
	b, err := h.read(ctx, token)
	if err != nil || !b.Since.IsZero() {
		return b, err
	}
	if err := h.store(ctx, token, job.PingSince, job.Ping{}); err != nil {
		return b, fmt.Errorf("begin heartbeat: %w", err)
	}
	b.Since = time.Now()
	return b, nil
}

// read returns the last pings for a token, and stores nothing.
func (h *Heartbeats) read(ctx context.Context, token string) (check.LastPings, error) {
	b, err := ReadPings(ctx, h.p, token, time.Now())
	if err == nil {
		b.NoListener = h.noListener(b, time.Now())
	}
	return b, err
}

// listenerPatience is how long a mark may stay the same before a job's silence says
// nothing about it. Until then the process that takes pings may be starting.
const listenerPatience = 30 * time.Second

// noListener reports whether an absence lasts for long, as this process has seen.
func (h *Heartbeats) noListener(b check.LastPings, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	var began time.Time
	if len(b.Absences) > 0 {
		began = b.Absences[len(b.Absences)-1].From
	}
	if !began.Equal(h.absence) || b.Listening {
		h.absence, h.absenceSeen = began, now
	}
	return !began.IsZero() && !b.Listening && now.Sub(h.absenceSeen) > listenerPatience
}

// ReadPings returns the last pings for a token, and the absences until now. It
// stores nothing.
func ReadPings(ctx context.Context, p *pipeline.Pipeline, token string, now time.Time) (check.LastPings, error) {
	var b check.LastPings
	var succeeded, failed job.Ping
	for _, kind := range []struct {
		name string
		at   *time.Time
		ping *job.Ping
	}{{job.PingOK, &b.OK, &succeeded}, {job.PingFail, &b.Fail, &failed}, {job.PingStart, &b.Start, nil}, {job.PingSince, &b.Since, nil}} {
		body, stored, err := inspect.LastMessage(ctx, p, topology.Ping, topology.PingSubject(token, kind.name))
		if errors.Is(err, pipeline.ErrNotFound) {
			continue
		}
		if err != nil {
			return b, err
		}
		*kind.at = stored
		if kind.ping != nil {
			*kind.ping = readPing(body)
		}
	}
	for _, at := range []*time.Time{&b.OK, &b.Fail, &b.Start, &b.Since} {
		*at = onClock(p.Clock(), *at, now)
	}
	b.Last = succeeded
	if b.Fail.After(b.OK) {
		b.Last = failed
	}
	mark, stored, err := readListening(ctx, p)
	if err == nil && stored.Sequence > 0 {
		b.Absences = mark.Until(stored.Stored, now)
		b.Listening = now.Sub(stored.Stored) <= job.MaxMarkAge
	}
	return b, err
}

// maxClockDifference is how far the server's clock may be ahead of this machine's.
const maxClockDifference = 5 * time.Second

// onClock returns when something happened, on a clock that was set back since then.
func onClock(watch *clock.Watch, at, now time.Time) time.Time {
	if at.Sub(now) <= maxClockDifference {
		return at
	}
	return now.Add(-watch.Since(at))
}

// readPing reads a ping. One in any format counts.
func readPing(body []byte) job.Ping {
	if len(body) == 0 {
		return job.Ping{}
	}
	ping, err := job.Decode[job.Ping](body)
	if err != nil {
		ping = job.Ping{Output: string(body[:min(len(body), job.MaxPingOutput)])}
	}
	return ping
}

// readListening reads the mark of the processes that take pings. Without one, the
// sequence is 0.
func readListening(ctx context.Context, p *pipeline.Pipeline) (job.Listening, pipeline.Delivery, error) {
	d, err := inspect.LastDelivery(ctx, p, topology.Ping, topology.ListeningSubject())
	if errors.Is(err, pipeline.ErrNotFound) {
		return job.Listening{}, d, nil
	}
	if err != nil {
		return job.Listening{}, d, err
	}
	mark, err := job.DecodeKnown[job.Listening](d.Body)
	if err != nil {
		return job.Listening{}, d, fmt.Errorf("read mark of listeners: %w", err)
	}
	return mark, d, nil
}

// HeartbeatDeadline says until when a job may stay silent.
type HeartbeatDeadline struct {
	// LastPing is the last success, or when the monitoring began. Zero means that
	// the heartbeat was never checked.
	LastPing time.Time `json:"last_ping,omitzero"`
	// Due is when the job is down without another ping.
	Due time.Time `json:"due,omitzero"`
	// Absences are the times since then in which no ping could be taken, and Moved
	// by how much they moved the deadline.
	Absences []job.Absence `json:"absences,omitempty"`
	Moved    job.Duration  `json:"moved,omitempty"`
}

// ReadHeartbeatDeadline reads the deadline of a job; nil for another monitor.
func ReadHeartbeatDeadline(ctx context.Context, p *pipeline.Pipeline, m *job.Monitor, now time.Time) (*HeartbeatDeadline, error) {
	if m.Heartbeat == nil {
		return nil, nil //nolint:nilnil // most monitors
	}
	pings, err := ReadPings(ctx, p, m.Heartbeat.Token, now)
	if err != nil {
		return nil, err
	}
	deadline := newHeartbeatDeadline(pings, m.Heartbeat)
	return &deadline, nil
}

func newHeartbeatDeadline(pings check.LastPings, h *job.Heartbeat) HeartbeatDeadline {
	d := HeartbeatDeadline{LastPing: pings.LastSuccess().UTC()}
	if d.LastPing.IsZero() {
		return d
	}
	d.Due = h.DueBy(d.LastPing, pings.Absences)
	for _, a := range pings.Absences {
		if a.To.After(d.LastPing) && a.From.Before(d.Due) {
			d.Absences = append(d.Absences, a)
		}
	}
	d.Moved = job.Duration(d.Due.Sub(d.LastPing) - h.Deadline())
	return d
}
