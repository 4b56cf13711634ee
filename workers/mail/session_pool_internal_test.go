package mail

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSessionsWaitForTheFirst(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		opened bool
		took   time.Duration
		wait   time.Duration
	}{
		{"the first one is opened", true, time.Second, time.Second},
		{"the first one fails", false, time.Second, time.Second},
		{"the first one hangs", false, time.Minute, firstSessionTimeout},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			p := &sessionPool{firstSession: make(chan struct{}, 1)}
			release := p.awaitFirst(t.Context())
			time.AfterFunc(c.took, func() {
				if c.opened {
					p.openCount.Add(1)
				}
				release()
			})
			began := time.Now()
			p.awaitFirst(t.Context())()
			if waited := time.Since(began); waited != c.wait {
				t.Errorf("%s: got a wait of %s, want %s", c.name, waited, c.wait)
			}
		})
	}
}

func TestSessionsDoNotWaitWithoutNeed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*sessionPool){
		"where one is open":         func(p *sessionPool) { p.openCount.Add(1) },
		"while the breaker is open": func(p *sessionPool) { p.breaker.openUntil = time.Now().Add(time.Minute) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &sessionPool{firstSession: make(chan struct{}, 1)}
			release := p.awaitFirst(t.Context())
			defer release()
			change(p)
			began := time.Now()
			p.awaitFirst(t.Context())()
			if waited := time.Since(began); waited != 0 {
				t.Errorf("%s: got a wait of %s, want none", name, waited)
			}
		})
	}
}
