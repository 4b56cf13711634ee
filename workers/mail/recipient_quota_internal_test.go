package mail

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"vedette/pipeline/job"
)

func TestRecipientQuotaBoundsMailsPerMinute(t *testing.T) {
	t.Parallel()
	q, now := newRecipientQuota(30), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	waiting := make(map[string]time.Time) // when each returns
	for i := range 300 {
		waiting[fmt.Sprintf("m%d", i)] = now
	}
	start := now
	perMinute := make(map[int]int)
	for ; len(waiting) > 0; now = now.Add(time.Second) {
		for id, due := range waiting {
			if due.After(now) {
				continue
			}
			err := q.take(job.Mail{ID: id, To: "Ops <OPS@example.org>"}, now)
			if err == nil {
				perMinute[int(now.Sub(start)/time.Minute)]++
				delete(waiting, id)
				continue
			}
			again, ok := errors.AsType[*job.RetryError](err)
			if !ok || !again.Uncounted || again.After < 30*time.Second || again.After > 90*time.Second {
				t.Fatalf("got %v, want the mail back in 30 to 90 s without an attempt", err)
			}
			waiting[id] = now.Add(again.After)
		}
		if now.Sub(start) > time.Hour {
			t.Fatalf("%d mails still wait after an hour", len(waiting))
		}
	}
	for minute, n := range perMinute {
		if n > 60 || minute > 0 && n > 45 {
			t.Errorf("minute %d: got %d mails, want 30, and once a burst of as many", minute, n)
		}
	}
	if took := now.Sub(start); took < 9*time.Minute || took > 12*time.Minute {
		t.Errorf("300 mails took %s, want 9 to 12 minutes at 30 a minute", took)
	}
}

func TestRecipientQuotaIsPerAddress(t *testing.T) {
	t.Parallel()
	q, now := newRecipientQuota(1), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		to   string
		want bool
	}{{"a@example.org", true}, {"A@Example.org", false}, {"x <a@example.org>", false}, {"b@example.org", true}} {
		if err := q.take(job.Mail{ID: "m", To: c.to}, now); (err == nil) != c.want {
			t.Errorf("%s: got %v, want it let through: %t", c.to, err, c.want)
		}
	}
	if err := q.take(job.Mail{ID: "m", To: "c@example.org"}, now.Add(time.Hour)); err != nil || len(q.limiters) != 1 {
		t.Errorf("got %v and %d addresses after an hour, want the old ones forgotten", err, len(q.limiters))
	}
	if err := newRecipientQuota(0).take(job.Mail{}, now); err != nil {
		t.Errorf("got %v without a limit, want none", err)
	}
}
