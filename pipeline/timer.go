package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// SetTimer has the server put a message under [TimerSubject] of what and id at
// the given time, whichever processes live then. Setting it again moves it; one
// whose time has passed fires at once. The body is for the reader of logs: a
// timer that was moved may fire at both times, so whoever takes one looks up
// what is due.
func (p *Pipeline) SetTimer(ctx context.Context, what, id string, at time.Time, body []byte) error {
	message := nats.NewMsg(p.names.Subject("timer.at", what, id))
	message.Data = body
	message.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339))
	message.Header.Set("Nats-Schedule-Target", p.names.Subject(TimerSubject(what, id)))
	if err := p.publish(ctx, message); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	return nil
}
