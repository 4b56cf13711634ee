package workers

import (
	"context"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

const (
	// relayLook is how often it is looked whether mails can be sent.
	relayLook = time.Second
	// relayPatience is how long they cannot before the operators are told: a
	// relay that is started anew is nothing to tell of.
	relayPatience = 30 * time.Second
)

// watch tells the operators once that no relay can be used, and once that one
// can again. The mail about the first leaves with the second, if there is no
// other process that can send; the log has both at once.
func (m *mailStage) watch(ctx context.Context, worker Mailer) {
	look := time.NewTicker(relayLook)
	defer look.Stop()
	var away time.Time // since when none can be used
	told := false
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-look.C:
			switch open := worker.Available(); {
			case open && told:
				m.tellRelays(ctx, fmt.Sprintf("a relay is back, after %s without any", now.Sub(away).Round(time.Second)), now)
				away, told = time.Time{}, false
			case open:
				away = time.Time{}
			case away.IsZero():
				away = now
			case !told && now.Sub(away) >= relayPatience:
				m.tellRelays(ctx, "no relay can be used, since "+away.UTC().Format("15:04:05 UTC"), now)
				told = true
			}
		}
	}
}

func (m *mailStage) tellRelays(ctx context.Context, summary string, now time.Time) {
	m.log.ErrorContext(ctx, "state of relays has changed", "state", summary)
	notice := job.Notice{
		ID: job.DeriveID("relays", m.p.Process(), now.UTC().Format(time.RFC3339)), Kind: job.NoticeRelaysDown, At: now.UTC(), Summary: summary,
	}
	if err := m.p.Notify(ctx, notice); err != nil && ctx.Err() == nil {
		m.log.WarnContext(ctx, "tell operators of relays", "error", err)
	}
}
