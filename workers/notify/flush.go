package notify

import (
	"context"
	"fmt"

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
	grouping := n.directory.Grouping(group.Recipient)
	setGroupBack(&group, &grouping, n.config.Now())
	if group.Pending != nil {
		if revision, err = n.enqueue(ctx, key, &group, revision); err != nil {
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
	_, err = n.enqueue(ctx, key, &group, revision)
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
		return n.logs.applyAll(ctx, logs, &job.Notification{Updates: decision.Suppressed})
	}
	decision.Updates = append(decision.Updates, decision.Suppressed...) // together, so that the mail lists dependents before they go
	mail, err := n.config.Renderer.Render(decision, group, n.directory.Grouping(group.Recipient), n.directory.TimeZone(group.Recipient))
	if err != nil {
		return err
	}
	group.Pending, group.LastNotified = &mail, mail.At
	group.NextFlush = CeilSecond(earlier(group.NextFlush, mail.At.Add(mailLifetime)))
	group.Sequence++
	return nil
}

// enqueue enqueues the pending mail, applies its updates to the logs, and marks
// it as sent.
func (n *Notifier) enqueue(ctx context.Context, key string, group *job.NotificationGroup, revision uint64) (uint64, error) {
	pending := group.Pending
	if err := n.config.Outbox.Enqueue(ctx, *pending.Mail, group.Operators); err != nil {
		return 0, err
	}
	logs, err := n.logs.inGroup(ctx, key)
	if err != nil {
		return 0, err
	}
	if err := n.logs.applyAll(ctx, logs, pending); err != nil {
		return 0, err
	}
	group.Pending, group.Sent = nil, &job.Notification{ID: pending.ID, At: pending.At}
	return n.logs.swapGroup(ctx, key, *group, revision)
}
