package mail

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestRateLimitIsHalvedAndRestored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newRateLimit(600) // ten a second
		inAMinute := func() int {
			end, n := time.Now().Add(time.Minute), 0
			for {
				if err := p.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !time.Now().Before(end) {
					return n
				}
				n++
			}
		}
		if got := inAMinute(); got < 590 || got > 612 {
			t.Errorf("got %d mails in a minute, want about 600", got)
		}
		for range 5 {
			p.halve(time.Now()) // five sessions are throttled together
		}
		if got := inAMinute(); got < 290 || got > 315 {
			t.Errorf("got %d mails in the minute after, want about 300", got)
		}
		inAMinute()
		if got := inAMinute(); got < 590 || got > 612 {
			t.Errorf("got %d mails in a later minute, want about 600 again", got)
		}
	})
}

func TestRateLimitWaitEndsWithContext(t *testing.T) {
	t.Parallel()
	p := newRateLimit(1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := p.wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(ctx); err == nil {
		t.Error("got a turn at once, want none within the second")
	}
	var none *rateLimit
	none.halve(time.Now())
	if err := none.wait(t.Context()); err != nil {
		t.Errorf("got %v without a limit, want none", err)
	}
}

func TestThrottledReplies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"4.7.28 unusual rate of mail": true, "4.7.0 too many": true, "4.2.1 receiving mail too quickly": true,
		"4.2.2 full": false, "4.7.1 greylisted": false, "later": false,
	} {
		if got := throttled(Classify(StageRcpt, ParseReply(450, text), nil)); got != want {
			t.Errorf("450 %s: got %v, want %v", text, got, want)
		}
	}
	if !throttled(Classify(StageMail, ParseReply(421, "4.3.2 closing"), nil)) || throttled(Classify(StageConnect, ParseReply(421, "busy"), nil)) {
		t.Error("got 421 wrong: in a session it is too much, before one it is a limit of sessions")
	}
}
