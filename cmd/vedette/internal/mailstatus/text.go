package mailstatus

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
)

// recordedFor is how long a delivery status is kept.
const recordedFor = 48 * time.Hour

// Waiting describes a mail that was enqueued and has no status.
type Waiting struct {
	Enqueued time.Time // zero if it is not known
	// Cause is why mails cannot leave at present, empty if they can.
	Cause string
}

// NextText is what follows for a mail: another attempt, or its dead letter.
func (m *Mail) NextText() string {
	switch {
	case m.DeadLetter != 0:
		return fmt.Sprintf("dead letter %d", m.DeadLetter)
	case m.State == Failed:
		return "dead letter replayed or dropped"
	case m.NextTry.IsZero() || m.Final():
		return ""
	default:
		return "attempt at " + cli.TimeText(m.NextTry)
	}
}

// Text describes the delivery status for people. known is false for a mail without a status. An
// address counts as notified only by a mail that a relay has accepted.
func (m *Mail) Text(known bool, w Waiting, now time.Time) string {
	enqueued := "enqueued"
	if !w.Enqueued.IsZero() {
		enqueued += " at " + cli.TimeText(w.Enqueued)
	}
	if !known {
		if !w.Enqueued.IsZero() && now.Sub(w.Enqueued) > recordedFor {
			return enqueued + "; what became of it is no longer recorded"
		}
		return enqueued + ", not accepted by a relay yet: " + cmp.Or(w.Cause, "it waits for its first attempt")
	}
	switch m.State {
	case State(job.DeliverySent):
		return "notified at " + cli.TimeText(m.At) + " through " + m.Relay
	case State(job.DeliveryWithdrawn):
		return "not notified yet: the mail was withdrawn, and a newer one follows"
	case Unknown:
		return enqueued + ", and possibly delivered at " + cli.TimeText(m.At) + ": the answer of " + cmp.Or(m.Relay, "the relay") + " was lost" + m.deadText()
	case Failed:
		return "not delivered" + m.deadText()
	case State(job.DeliverySending):
		return enqueued + ", not accepted by a relay yet: an attempt is under way"
	default:
		return enqueued + ", not accepted by a relay yet: " + strings.TrimPrefix(m.Reply, "connect: ") + m.nextTryText(w.Cause, now)
	}
}

// deadText names the dead letter, and how to repeat it.
func (m *Mail) deadText() string {
	switch {
	case m.DeadLetter != 0:
		return fmt.Sprintf(": dead letter %d, %s; 'vedette dead replay %d'", m.DeadLetter, strings.TrimPrefix(m.Reply, string(m.Reason)+": "), m.DeadLetter)
	case m.State == Failed:
		return ": its dead letter was replayed or dropped"
	default:
		return ""
	}
}

func (m *Mail) nextTryText(cause string, now time.Time) string {
	switch {
	case m.NextTry.After(now):
		return " (next attempt at " + cli.TimeText(m.NextTry) + ")"
	case cause != "":
		return " (next attempt once mails can leave: " + cause + ")"
	default:
		return " (the next attempt is due now)"
	}
}
