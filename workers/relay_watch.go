package workers

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

const (
	relayInterval = time.Second
	// relayGrace is how long no relay must be available before the operators are
	// notified, so that the restart of a relay goes unnoticed.
	relayGrace = 30 * time.Second
)

// watchRelays notifies the operators once when no relay is available, and once
// when one is available again. If no other process can send, both mails leave
// together afterwards; the log has both at once.
func (s *mailStage) watchRelays(ctx context.Context, mailer Mailer) {
	ticker := time.NewTicker(relayInterval)
	defer ticker.Stop()
	var down time.Time // since when no relay is available
	notified := false
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			switch available := mailer.Available(); {
			case available && notified:
				s.notifyRelays(ctx, fmt.Sprintf("a relay is available again, after %s without any", now.Sub(down).Round(time.Second)), now)
				down, notified = time.Time{}, false
			case available:
				down = time.Time{}
			case down.IsZero():
				down = now
			case !notified && now.Sub(down) >= relayGrace:
				s.notifyRelays(ctx, "no relay has been available since "+down.UTC().Format("15:04:05 UTC"), now)
				notified = true
			}
		}
	}
}

func (s *mailStage) notifyRelays(ctx context.Context, summary string, now time.Time) {
	s.log.ErrorContext(ctx, "availability of relays has changed", "state", summary)
	s.notify(ctx, job.Notice{
		ID: job.DeriveID("relays", s.p.Process(), now.UTC().Format(time.RFC3339)), Kind: job.NoticeRelaysDown, At: now.UTC(), Summary: summary,
	})
}
