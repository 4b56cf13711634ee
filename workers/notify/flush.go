package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// Flush decides about the group of a timer that fired, and sends the mail that
// is due. The process that writes the group first has decided. A mail is stored
// in the group before it is enqueued, so that after a crash the same mail is
// enqueued again.
func (n *Notifier) Flush(ctx context.Context, id string) error {
	key, ok := cutTimerID(id)
	if !ok {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read timer: found %q, expected the id of a notification group", id))
	}
	return untilNoConflict("flush notification group "+key, func() error { return n.tryFlush(ctx, key) })
}

func (n *Notifier) tryFlush(ctx context.Context, key string) error {
	group, revision, err := n.logs.group(ctx, key)
	if err != nil || revision == 0 {
		return err
	}
	n.logs.index.await(ctx, revision)
	grouping := n.directory.Grouping(group.Recipient)
	setGroupBack(&group, &grouping, n.config.Now())
	if group.Pending != nil {
		if revision, err = n.send(ctx, key, &group, revision, nil); err != nil {
			return err
		}
	}
	logs, err := n.logs.inGroup(ctx, key)
	if err != nil {
		return err
	}
	decision, err := n.decide(ctx, key, &group, logs)
	if err != nil {
		return err
	}
	if err := n.prepare(ctx, &decision, &group, logs); err != nil {
		return err
	}
	if !group.NextFlush.IsZero() { // before the group is written, as in schedule
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), group.NextFlush); err != nil {
			return err
		}
	}
	if revision, err = n.logs.swapGroup(ctx, key, group, revision); err != nil {
		return err
	}
	if group.Pending == nil {
		return nil
	}
	_, err = n.send(ctx, key, &group, revision, logs)
	return err
}

// prepare puts the decision's mail, if there is one, and the next flush into the
// group.
func (n *Notifier) prepare(ctx context.Context, decision *Decision, group *job.NotificationGroup, logs []storedLog) error {
	if group.Sent != nil {
		decision.Next = earlier(decision.Next, group.Sent.At.Add(mailLifetime))
	}
	group.NextFlush = CeilSecond(decision.Next)
	if len(decision.Lines) == 0 {
		_, err := n.logs.applyAll(ctx, logs, &job.Notification{Updates: decision.Suppressed})
		return err
	}
	decision.Updates = append(decision.Updates, decision.Suppressed...) // together, so that the mail lists dependents before they go
	grouping := n.directory.Grouping(group.Recipient)
	if err := n.addPresent(ctx, decision, grouping.MaxListed); err != nil {
		return err
	}
	mail, err := n.config.Renderer.Render(decision, group, grouping, n.directory.TimeZone(group.Recipient))
	if err != nil {
		return err
	}
	group.Pending, group.LastNotified = &mail, mail.At
	group.NextFlush = CeilSecond(earlier(group.NextFlush, mail.At.Add(mailLifetime)))
	group.Sequence++
	return nil
}

// send claims in the logs what the pending mail reports, enqueues the mail, and
// marks it as sent. If another group was faster with a part of it, which happens
// while processes have different settings, the mail is dropped and the error is
// [job.ErrConflict]: the group decides again.
func (n *Notifier) send(ctx context.Context, key string, group *job.NotificationGroup, revision uint64, known []storedLog) (uint64, error) {
	pending := group.Pending
	logs, err := n.logs.named(ctx, key, group.Operators, pending, known)
	if err != nil {
		return 0, err
	}
	won, err := n.logs.applyAll(ctx, logs, pending)
	if err != nil {
		return 0, err
	}
	group.Pending = nil
	if !won {
		if err := n.logs.changeAll(ctx, logs, func(log *job.NotificationLog) bool { return withdraw(log, pending.ID) }); err != nil {
			return 0, err
		}
		if _, err := n.logs.swapGroup(ctx, key, *group, revision); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("claim what mail %s reports: %w", pending.ID, job.ErrConflict)
	}
	if err := n.config.Outbox.Enqueue(ctx, *pending.Mail, group.Operators); err != nil {
		return 0, err
	}
	group.Sent = &job.Notification{ID: pending.ID, At: pending.At}
	return n.logs.swapGroup(ctx, key, *group, revision)
}

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
		left--
		if left < 0 {
			break
		}
		state, err := n.config.Lookup.State(ctx, l.Incident.Monitor)
		if err != nil {
			return err
		}
		if state.Incident != nil && state.Incident.ID == l.Incident.ID {
			l.Now = presentFailure(&state, l.Incident)
		}
	}
	return nil
}

// presentFailure is what is wrong now, nil if that is what began the incident. For
// several locations it is what each of them finds.
func presentFailure(state *job.State, incident *job.Incident) *job.ProbeResult {
	if votes := state.Votes(); len(incident.Votes) > 0 && len(votes) > 0 {
		if slices.Equal(votes, incident.Votes) {
			return nil
		}
		found := make([]string, len(votes))
		for i := range votes {
			found[i] = votes[i].Location + ": " + voteText(&votes[i])
		}
		return &job.ProbeResult{Cause: strings.Join(found, ", ")}
	}
	latest, began := state.LatestFailure, &incident.ProbeResult
	if latest == nil || latest.ProbeResult.Class == began.Class && latest.ProbeResult.Cause == began.Cause {
		return nil
	}
	return &latest.ProbeResult
}
