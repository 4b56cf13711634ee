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

// hostLimiter bounds how many checks of one host are made at once.
type hostLimiter struct {
	limit int

	mu    sync.Mutex
	hosts map[string]*hostSlots
}

// hostSlots is the checks of one host. It is forgotten with the last of them.
type hostSlots struct {
	slots chan struct{}
	users int
}

var errHostBusy = errors.New("other checks of the host took all the time")

// acquire waits for a turn, no longer than a check may take. The function that it
// returns gives the turn back.
func (t *hostLimiter) acquire(ctx context.Context, host string, patience time.Duration) (leave func(), err error) {
	mine := t.hostSlots(host)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case mine.slots <- struct{}{}:
		return func() {
			<-mine.slots
			t.release(host, mine)
		}, nil
	case <-timer.C:
		err = errHostBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	t.release(host, mine)
	return nil, fmt.Errorf("wait for a turn at %s, with %d checks of it at once: %w", host, t.limit, err)
}

func (t *hostLimiter) hostSlots(host string) *hostSlots {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hosts == nil {
		t.hosts = map[string]*hostSlots{}
	}
	mine := t.hosts[host]
	if mine == nil {
		mine = &hostSlots{slots: make(chan struct{}, t.limit)}
		t.hosts[host] = mine
	}
	mine.users++
	return mine
}

func (t *hostLimiter) release(host string, mine *hostSlots) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine.users--
	if mine.users == 0 {
		delete(t.hosts, host)
	}
}

// hostOf is the host that a spec checks, as it is written.
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
