package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"vedette/pipeline/job"
)

// hostLimiter limits the concurrent checks on one host.
type hostLimiter struct {
	limit int

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

// hostSlots are the slots for one host. They exist only while checks use or
// await them.
type hostSlots struct {
	tokens chan struct{}
	users  int
}

var errHostBusy = errors.New("other checks on the host used up the time")

// acquire waits for a slot, at most for a timeout. The returned function
// releases the slot.
func (l *hostLimiter) acquire(ctx context.Context, host string, timeout time.Duration) (release func(), err error) {
	slots := l.slotsFor(host)
	waiting, cancel := context.WithTimeoutCause(ctx, timeout, errHostBusy)
	defer cancel()
	select {
	case slots.tokens <- struct{}{}:
		return func() {
			<-slots.tokens
			l.release(host, slots)
		}, nil
	case <-waiting.Done():
	}
	l.release(host, slots)
	return nil, fmt.Errorf("wait for a slot at host %s (limit %d): %w", host, l.limit, context.Cause(waiting))
}

func (l *hostLimiter) slotsFor(host string) *hostSlots {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hosts == nil {
		l.hosts = map[string]*hostSlots{}
	}
	slots := l.hosts[host]
	if slots == nil {
		slots = &hostSlots{tokens: make(chan struct{}, l.limit)}
		l.hosts[host] = slots
	}
	slots.users++
	return slots
}

func (l *hostLimiter) release(host string, slots *hostSlots) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slots.users--
	if slots.users == 0 {
		delete(l.hosts, host)
	}
}

// hostOf returns the host in a spec, as it is written.
func hostOf(spec job.Spec) string {
	target := spec.Target()
	if _, rest, ok := strings.Cut(target, "://"); ok {
		target = rest
	}
	if i := strings.IndexAny(target, "/?#"); i >= 0 {
		target = target[:i]
	}
	target = target[strings.LastIndexByte(target, '@')+1:]
	if host, _, err := net.SplitHostPort(target); err == nil {
		target = host
	}
	return strings.ToLower(target)
}
