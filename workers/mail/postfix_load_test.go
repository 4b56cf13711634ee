package mail_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// arrived fails the test unless n mails arrived, each once.
func (p *postfix) arrived(t *testing.T, mails int) {
	t.Helper()
	times := map[string]int{}
	for _, raw := range p.mails(t) {
		times[openMail(t, raw).id()]++
	}
	for n := range mails {
		if id := fmt.Sprintf("m%d@example.com", n); times[id] != 1 {
			t.Errorf("got %s %d times, want it once", id, times[id])
		}
	}
	if len(times) != mails {
		t.Errorf("got %d mails, want %d", len(times), mails)
	}
}

func TestPostfixManyMailsShareFewSessions(t *testing.T) {
	t.Parallel()
	p := startPostfix(t)
	const mails, sessions = 200, 6
	s := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}, Sessions: sessions})
	var group sync.WaitGroup
	for n := range mails {
		group.Go(func() {
			if _, err := s.Send(t.Context(), to("ops", fmt.Sprintf("m%d", n)), stored); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	s.Close()
	p.arrived(t, mails)
	if got := p.sessions(t); len(got) > sessions {
		t.Errorf("got %d sessions, want %d at most:\n%s", len(got), sessions, strings.Join(got, ""))
	}
}

// office is several processes whose workers share a queue. A mail that was not
// sent returns to the queue after the delay in its error.
type office struct {
	queue  chan job.Mail
	unsent atomic.Int64

	mu      sync.Mutex // guards refused
	refused []error
}

func newOffice(mails int) *office {
	o := &office{queue: make(chan job.Mail, mails)}
	o.unsent.Store(int64(mails))
	for n := range mails {
		o.queue <- to("ops", fmt.Sprintf("m%d", n))
	}
	return o
}

// work sends mails until ctx ends, except while no relay is available.
func (o *office) work(ctx context.Context, s *mail.Sender) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		if !s.Available() {
			continue
		}
		select {
		case m := <-o.queue:
			o.send(ctx, s, m)
		default:
		}
	}
}

func (o *office) send(ctx context.Context, s *mail.Sender, m job.Mail) {
	_, err := s.Send(ctx, m, stored)
	if err == nil {
		o.unsent.Add(-1)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused = append(o.refused, err)
	var after time.Duration
	if retry, ok := errors.AsType[*job.RetryError](mail.JobError(err)); ok {
		after = retry.After
	}
	time.AfterFunc(after, func() { o.queue <- m })
}

// blameless fails the test if a refusal counts as an attempt.
func (o *office) blameless(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.refused) == 0 {
		t.Error("got no session refused, want the limit reached")
	}
	for _, err := range o.refused {
		failed, ok := errors.AsType[*mail.Error](err)
		if !ok || failed.Class != mail.ClassRelay || failed.Stage != mail.StageConnect || resultOf(mail.JobError(err)) != "free true" ||
			!strings.Contains(err.Error(), "421 4.7.0 postfix.example.test Error: too many connections") {
			t.Errorf("got %v, result %q, want no fault of the mail, and the relay's words", err, resultOf(mail.JobError(err)))
		}
	}
}

func TestPostfixSessionLimitDelaysNoSender(t *testing.T) {
	t.Parallel()
	const mails, senders = 64, 32
	for _, processes := range []int{1, 4} {
		t.Run(fmt.Sprintf("%d processes", processes), func(t *testing.T) {
			t.Parallel()
			p := startPostfix(t, "connections=3")
			o := newOffice(mails)
			var told warnings
			var working sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			for range processes {
				s := newSender(t, mail.Config{Relays: []mail.Relay{p.relay()}, Sessions: senders / processes, Logger: told.logger()})
				working.Go(func() { _ = s.Serve(ctx) })
				for range senders / processes {
					working.Go(func() { o.work(ctx, s) })
				}
			}
			t.Cleanup(working.Wait)
			t.Cleanup(cancel)
			p.eventually(t, "all mails sent", func() bool { return o.unsent.Load() == 0 })
			p.arrived(t, mails)
			o.blameless(t)
			// Other processes may use all sessions.
			if got := told.String(); got != "" && processes == 1 {
				t.Errorf("logged %s, want a relay in use", got)
			}
		})
	}
}
