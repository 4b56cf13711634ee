package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// newMailClock starts an instance with a target that is down and an inbox.
func newMailClock(t *testing.T, box *inbox) (*running, *turnedClock) {
	t.Helper()
	r := newInstance(t, fmt.Sprintf(`
recipients: {day: day@example.org}
notifications: {group_wait: 0s, group_interval: 0s}
mail: {from: vedette@example.org, relays: [%s]}
monitors:
  - {name: gone, http: 'http://127.0.0.1:1', interval: 1s, timeout: 900ms, notify: day}
`, box.Relay()))
	clock := r.withClock(0)
	r.start()
	r.ready()
	return r, clock
}

func TestAMailUnderWayIsSentOnceWhenTheClockIsSetForward(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	box.Pause = 6 * time.Second // longer than the lease of a job
	r, clock := newMailClock(t, box)
	eventually(t, "a mail under way", func() bool {
		out, _ := r.vedette("mail", "log")
		return strings.Contains(out, "sending")
	})
	// At each step the hold on the job seems to have expired, until it is renewed.
	for step := range 10 {
		clock.set(time.Duration(step+1) * 10 * time.Minute)
		<-time.After(500 * time.Millisecond)
	}
	eventually(t, "a sent mail", func() bool {
		out, _ := r.vedette("mail", "log")
		return strings.Contains(out, "sent")
	})
	<-time.After(box.Pause) // a second mail would be under way
	r.stop()
	if got := box.Count("day@example.org", "[DOWN]"); got != 1 {
		t.Errorf("got %d DOWN mails, want one", got)
	}
}

func TestAMailThatWaitsForItsRelayLeavesAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	box := newInbox(t)
	box.Refuse(true)
	r, clock := newMailClock(t, box)
	eventually(t, "a mail that waits", func() bool {
		out, _ := r.vedette("mail", "log")
		return strings.Contains(out, "deferred")
	})
	clock.set(-time.Hour)
	box.Refuse(false)
	eventually(t, "the mail", func() bool { return box.Count("day@example.org", "[DOWN]") == 1 })
	r.stop()
}
