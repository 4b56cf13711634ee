package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"vedette/pipeline/topology"
)

// SetTimer has the server store a message under [topology.TimerSubject] at the
// given time, independent of any process. Setting a timer again moves it; one
// in the past fires at once. The body is for readers of logs only: a timer that
// was moved may fire at both times, so its handler looks up what is due.
func (p *Pipeline) SetTimer(ctx context.Context, kind, id string, at time.Time, body []byte) error {
	message := schedule{
		at:     "@at " + at.UTC().Format(time.RFC3339),
		holder: topology.SetTimerSubject(kind, id), target: topology.TimerSubject(kind, id),
	}.message(p.names)
	message.Data = body
	if _, err := p.store(ctx, message, false); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	return nil
}

// schedule makes the server publish to target at times, as long as holder holds
// the schedule.
type schedule struct{ at, holder, target string }

func (s schedule) message(names topology.Names) *nats.Msg {
	message := nats.NewMsg(names.Subject(s.holder))
	message.Header.Set("Nats-Schedule", s.at)
	message.Header.Set("Nats-Schedule-Target", names.Subject(s.target))
	return message
}
