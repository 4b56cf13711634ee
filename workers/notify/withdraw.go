package notify

import (
	"context"
	"time"

	"vedette/pipeline/job"
)

// deliveryCertain is how long after it was written the delivery of a mail is
// final, even if its state was never read. Delivery states are kept for longer.
const deliveryCertain = 25 * time.Hour

// decide decides what to send. While the last mail is not delivered yet and there
// is more to report, that mail is withdrawn and its changes are reported again,
// with those since then: after an outage of the relay one mail is sent.
func (n *Notifier) decide(ctx context.Context, key string, group *job.NotificationGroup, logs []storedLog) (Decision, error) {
	if err := n.settleSent(ctx, group, logs); err != nil {
		return Decision{}, err
	}
	parent := n.parent(ctx, group.Address)
	plan := func(others []job.NotificationLog) Decision {
		input := n.input(group, plainLogs(logs), parent)
		input.Others = others
		return Plan(input)
	}
	decision := plan(nil)
	// A mail that waits for hours may be stale: it is written again.
	stale := group.Sent != nil && n.config.Now().Sub(group.Sent.At) >= mailLifetime
	if len(decision.Lines) == 0 && !stale {
		return decision, nil
	}
	var others []job.NotificationLog
	if len(group.Group) > 0 { // their dependents may be in other groups
		var err error
		if others, err = n.logs.inOtherGroups(ctx, key); err != nil {
			return Decision{}, err
		}
	}
	if group.Sent == nil {
		return plan(others), nil
	}
	delivery, err := n.config.Deliveries.Withdraw(ctx, group.Sent.ID, n.config.Now().UTC())
	if err != nil {
		return Decision{}, err
	}
	if err := n.closeSent(ctx, group, logs, &delivery); err != nil {
		return Decision{}, err
	}
	return plan(others), nil
}

func plainLogs(logs []storedLog) []job.NotificationLog {
	plain := make([]job.NotificationLog, len(logs))
	for i := range logs {
		plain[i] = logs[i].NotificationLog
	}
	return plain
}

// settleSent reads the delivery state of the last mail.
func (n *Notifier) settleSent(ctx context.Context, group *job.NotificationGroup, logs []storedLog) error {
	if group.Sent == nil {
		return nil
	}
	delivery, _, err := n.config.Deliveries.Delivery(ctx, group.Sent.ID)
	if err != nil {
		return err
	}
	if !delivery.Final() && n.config.Now().Sub(group.Sent.At) <= deliveryCertain {
		return nil
	}
	return n.closeSent(ctx, group, logs, &delivery)
}

// closeSent removes the last mail from the group: a withdrawn mail's updates are
// undone, otherwise the incidents that it resolved are forgotten.
func (n *Notifier) closeSent(ctx context.Context, group *job.NotificationGroup, logs []storedLog, delivery *job.Delivery) error {
	mail := group.Sent.ID
	group.Sent = nil
	return n.logs.changeAll(ctx, logs, func(log *job.NotificationLog) bool {
		if delivery.State == job.DeliveryWithdrawn {
			return withdraw(log, mail)
		}
		return forget(log, mail)
	})
}
