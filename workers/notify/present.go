package notify

import (
	"context"

	"vedette/pipeline/job"
)

// addPresent adds to the lines about monitors that are still down what is wrong
// with them now, where that differs from what began it. It reads a state for each
// line that the mail shows.
func (n *Notifier) addPresent(ctx context.Context, d *Decision, maxListed int) error {
	left := maxListed
	for i := range d.Lines {
		l := &d.Lines[i]
		if !d.Reminder && !l.Lasting || l.Incident.Condition != job.ConditionDown || l.Resolution != nil {
			continue
		}
		if left--; left < 0 {
			break
		}
		state, err := n.config.Lookup.State(ctx, l.Incident.Monitor)
		if err != nil {
			return err
		}
		latest := state.LatestFailure
		if latest == nil || state.Incident == nil || state.Incident.ID != l.Incident.ID {
			continue
		}
		if began := &l.Incident.ProbeResult; latest.ProbeResult.Class != began.Class || latest.ProbeResult.Cause != began.Cause {
			l.Now = &latest.ProbeResult
		}
	}
	return nil
}
