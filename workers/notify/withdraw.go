package notify

import (
	"context"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// deliveryCertain is how long after it was written the delivery of a mail is
// final, even if its state was never read. Delivery states are kept for longer.
const deliveryCertain = 25 * time.Hour

// decide decides what to send. While an earlier mail is not delivered yet and there
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
	if err := n.withdrawEarlier(ctx, group, logs, &decision); err != nil {
		return Decision{}, err
	}
	// Dependents may be in other groups.
	others, err := n.logs.read(ctx, n.logs.index.behindOf(key))
	if err != nil {
		return Decision{}, err
	}
	return plan(plainLogs(others)), nil
}

func plainLogs(logs []storedLog) []job.NotificationLog {
	plain := make([]job.NotificationLog, len(logs))
	for i := range logs {
		plain[i] = logs[i].NotificationLog
	}
	return plain
}

// withdrawEarlier withdraws the group's last mail, and those about the same
// incidents that left for a group which the monitors belonged to before, unless
// they were delivered.
func (n *Notifier) withdrawEarlier(ctx context.Context, group *job.NotificationGroup, logs []storedLog, decision *Decision) error {
	last := ""
	if group.Sent != nil {
		last = group.Sent.ID
		delivery, err := n.config.Deliveries.Withdraw(ctx, last, n.config.Now().UTC())
		if err != nil {
			return err
		}
		if err := n.closeSent(ctx, group, logs, &delivery); err != nil {
			return err
		}
	}
	for _, mail := range n.foreignMails(logs, decision, last) {
		delivery, _, err := n.config.Deliveries.Delivery(ctx, mail)
		if err == nil && !delivery.Final() {
			delivery, err = n.config.Deliveries.Withdraw(ctx, mail, n.config.Now().UTC())
		}
		if err != nil {
			return err
		}
		if delivery.State != job.DeliveryWithdrawn {
			continue
		}
		if err := n.changeMentioning(ctx, group, logs, mail, withdraw); err != nil {
			return err
		}
	}
	return nil
}

// foreignMails returns the mails, except the group's last one, that reported the
// beginning of what the decision reports again or ends, and whose delivery may be
// open.
func (n *Notifier) foreignMails(logs []storedLog, decision *Decision, last string) []string {
	again := map[string]bool{}
	for i := range decision.Lines {
		if l := &decision.Lines[i]; !l.update.Firing {
			again[l.Incident.ID] = true
		}
	}
	var mails []string
	for i := range logs {
		if len(again) == 0 {
			break
		}
		for _, known := range logs[i].Incidents {
			recent := n.config.Now().Sub(later(known.NotifiedAt, known.RemindedAt)) <= deliveryCertain
			if !again[known.Incident.ID] || !recent {
				continue
			}
			for _, mail := range []string{known.NotifiedBy, known.ListedBy, known.RemindedBy, known.PausedBy} {
				if mail != "" && mail != last && !slices.Contains(mails, mail) {
					mails = append(mails, mail)
				}
			}
		}
	}
	return mails
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
	change := forget
	if delivery.State == job.DeliveryWithdrawn {
		change = withdraw
	}
	return n.changeMentioning(ctx, group, logs, mail, change)
}

// changeMentioning changes the logs that mention a mail: those at hand, and those
// that belong to another group, which then decides again.
func (n *Notifier) changeMentioning(
	ctx context.Context, group *job.NotificationGroup, logs []storedLog, mail string, change func(*job.NotificationLog, string) bool,
) error {
	step := func(log *job.NotificationLog) bool { return change(log, mail) }
	if err := n.logs.changeAll(ctx, logs, step); err != nil {
		return err
	}
	own := make(map[pair]bool, len(logs))
	for i := range logs {
		own[logs[i].pair] = true
	}
	mentioning := slices.DeleteFunc(n.logs.index.mentioning(mail), func(p pair) bool { return own[p] })
	others, err := n.logs.read(ctx, mentioning)
	if err != nil {
		return err
	}
	if err := n.logs.changeAll(ctx, others, step); err != nil {
		return err
	}
	woken := map[string]bool{addressToken(group.Address) + "." + groupToken(group.Group, group.Operators): true}
	for i := range others {
		key := others[i].groupKey()
		if woken[key] || !hasOutstanding(&others[i].NotificationLog) {
			continue
		}
		woken[key] = true
		if err := n.schedule(ctx, key, nil); err != nil {
			return err
		}
	}
	return nil
}
