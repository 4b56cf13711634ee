package mailstatus

import (
	"testing"
	"time"

	"vedette/pipeline/job"
)

// Only a mail that a relay has accepted counts as a notification.
func TestTextSaysNotifiedOnlyForAnAcceptedMail(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	enqueued := now.Add(-time.Minute)
	const since = "enqueued at 2026-03-01 11:59:00"
	deferred := Mail{
		Delivery: job.Delivery{State: job.DeliveryDeferred, At: now, Relay: "mx1:587", Reply: "connect: connection refused", NextTry: now.Add(8 * time.Second)},
		State:    State(job.DeliveryDeferred),
	}
	due := deferred
	due.NextTry = now.Add(-time.Second)
	state := func(s State, reply string) Mail {
		return Mail{Delivery: job.Delivery{At: now, Relay: "mx1:587", Reply: reply}, State: s}
	}
	dead := state(Failed, "permanent: send mail through mx1:587: RCPT: 550 5.1.1 no such user")
	dead.DeadLetter, dead.Reason = 17, job.ReasonPermanent
	for name, c := range map[string]struct {
		mail    Mail
		untried bool
		waiting Waiting
		want    string
	}{
		"sent":                    {state("sent", "250 ok"), false, Waiting{enqueued, ""}, "notified at 2026-03-01 12:00:00 through mx1:587"},
		"deferred":                {deferred, false, Waiting{enqueued, "relay mx1:587 cannot be reached"}, since + ", not accepted by a relay yet: connection refused (next attempt at 2026-03-01 12:00:08)"},
		"due, and mails leave":    {due, false, Waiting{enqueued, ""}, since + ", not accepted by a relay yet: connection refused (the next attempt is due now)"},
		"due, and none leaves":    {due, false, Waiting{enqueued, "relay mx1:587 is away"}, since + ", not accepted by a relay yet: connection refused (next attempt once mails can leave: relay mx1:587 is away)"},
		"never tried":             {Mail{}, true, Waiting{enqueued, "relay mx1:587 is away"}, since + ", not accepted by a relay yet: relay mx1:587 is away"},
		"just enqueued":           {Mail{}, true, Waiting{enqueued, ""}, since + ", not accepted by a relay yet: it waits for its first attempt"},
		"enqueued, at some time":  {Mail{}, true, Waiting{}, "enqueued, not accepted by a relay yet: it waits for its first attempt"},
		"no longer recorded":      {Mail{}, true, Waiting{now.Add(-49 * time.Hour), ""}, "enqueued at 2026-02-27 11:00:00; what became of it is no longer recorded"},
		"under way":               {state("sending", ""), false, Waiting{enqueued, ""}, since + ", not accepted by a relay yet: an attempt is under way"},
		"unknown":                 {state(Unknown, "dot: EOF"), false, Waiting{enqueued, ""}, since + ", and possibly delivered at 2026-03-01 12:00:00: the answer of mx1:587 was lost"},
		"dead":                    {dead, false, Waiting{enqueued, ""}, "not delivered: dead letter 17, send mail through mx1:587: RCPT: 550 5.1.1 no such user; 'vedette dead replay 17'"},
		"dead, and then replayed": {state(Failed, "550"), false, Waiting{enqueued, ""}, "not delivered: its dead letter was replayed or dropped"},
		"withdrawn":               {state("withdrawn", ""), false, Waiting{enqueued, ""}, "not notified yet: the mail was withdrawn, and a newer one follows"},
	} {
		if got := c.mail.Text(!c.untried, c.waiting, now); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	for want, m := range map[string]Mail{
		"attempt at 2026-03-01 12:00:08": deferred, "dead letter 17": dead, "": state("sent", "250"), "dead letter replayed or dropped": state(Failed, ""),
	} {
		if got := m.NextText(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
