package notify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// member is an address that is notified about an incident, with its group.
type member struct {
	Addressee

	group     []string
	operators bool
}

// membersFor returns the addresses to notify about an incident, by group key.
// Missing data concerns the operators, everything else the monitor's recipients.
func (d *decider) membersFor(ctx context.Context, incident *job.Incident) map[string]member {
	operators := incident.Condition == job.ConditionNoData
	names := incident.Notify
	if operators {
		names = d.directory.Operators()
	}
	found, unknown := d.directory.Addressees(names)
	for _, name := range unknown {
		d.config.Logger.ErrorContext(ctx, "recipient is not defined; it gets no mail", "recipient", name, "monitor", incident.Monitor)
	}
	members := make(map[string]member, len(found))
	for _, a := range found {
		m := member{Addressee: a, operators: operators}
		if !operators {
			m.group = groupOf(d.directory.Grouping(a.Recipient).GroupBy, incident)
		}
		members[groupKey(a.Address, m.group, operators)] = m
	}
	return members
}

// Receive adds a state's events to the logs about its monitor, and schedules the
// groups with outstanding notifications. After an error it has to be repeated;
// repeating it after success changes nothing.
func (n *Notifier) Receive(ctx context.Context, state *job.State) error {
	if n.knows(state) {
		return nil
	}
	logs, err := n.logs.aboutMonitor(ctx, state.Monitor)
	if err != nil {
		return err
	}
	concerned := map[string]map[string]member{} // by incident and group
	members := map[string]member{}
	for i := range state.Events {
		event := &state.Events[i]
		if event.Kind != job.EventBegan {
			continue
		}
		own := n.membersFor(ctx, &event.Incident)
		concerned[event.Incident.ID] = own
		for group, m := range own {
			members[group] = m
			if !slices.ContainsFunc(logs, func(l storedLog) bool { return l.group == group }) {
				logs = append(logs, storedLog{NotificationLog: job.NotificationLog{Monitor: state.Monitor}, group: group})
			}
		}
	}
	for i := range logs {
		log := &logs[i]
		concerns := func(incident *job.Incident) bool {
			_, is := concerned[incident.ID][log.group]
			return is
		}
		if err := n.logs.change(ctx, log, func(own *job.NotificationLog) bool {
			return receive(own, state, concerns, n.config.Now())
		}); err != nil {
			return fmt.Errorf("receive state of %s: %w", state.Monitor, err)
		}
		if !hasOutstanding(&log.NotificationLog) {
			continue
		}
		if err := n.schedule(ctx, log.group, members[log.group]); err != nil {
			return err
		}
	}
	n.remember(state)
	return nil
}

// maxReceived limits the memory for received states, which only saves work.
const maxReceived = 100_000

func (n *Notifier) knows(state *job.State) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.received[state.Monitor]
	return state.Sequence == 0 || ok && known >= state.Sequence
}

func (n *Notifier) remember(state *job.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.received) >= maxReceived {
		clear(n.received)
	}
	n.received[state.Monitor] = max(n.received[state.Monitor], state.Sequence)
}

// schedule sets a group's timer for its outstanding notifications. It writes only
// when that makes the group due sooner, so that a thousand monitors that go down
// at once cost a thousand logs and one timer.
//
// The timer is set before the group is written: after a crash between the two
// both are repeated, and a process that loses the write to another repeats both
// too, so that the timer always matches the group.
func (n *Notifier) schedule(ctx context.Context, key string, m member) error {
	return untilNoConflict("schedule notification group "+key, func() error {
		group, revision, err := n.logs.group(ctx, key)
		if err != nil {
			return err
		}
		if revision == 0 {
			if m.Address == "" {
				return nil // the address was never notified here
			}
			// The group has to exist when its timer fires.
			group = job.NotificationGroup{Address: m.Address, Recipient: m.Recipient, Group: m.group, Operators: m.operators}
			if revision, err = n.logs.swapGroup(ctx, key, group, 0); err != nil {
				return err
			}
		}
		group.Recipient = cmp.Or(m.Recipient, group.Recipient)
		at, write := n.soonest(&group)
		if !write {
			return nil
		}
		group.NextFlush = at
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), at); err != nil {
			return err
		}
		_, err = n.logs.swapGroup(ctx, key, group, revision)
		return err
	})
}

// soonest is when a group with outstanding notifications is due, and whether the
// group must be written. A group that is due now is always written: a flush may
// have read the logs before our write, and finds out by the conflict.
func (n *Notifier) soonest(g *job.NotificationGroup) (at time.Time, write bool) {
	now := n.config.Now().UTC()
	grouping := n.directory.Grouping(g.Recipient)
	setGroupBack(g, &grouping, now)
	due := CeilSecond(later(now.Add(grouping.GroupWait.Std()), g.LastNotified.Add(grouping.GroupInterval.Std())))
	if grouping.GroupWait == 0 && now.Sub(g.LastNotified) >= grouping.GroupInterval.Std() {
		due = now
	}
	switch {
	case g.NextFlush.IsZero():
		return due, true
	case g.NextFlush.After(now.Add(clockSlack)):
		return due, due.Before(g.NextFlush)
	case g.NextFlush.After(now):
		return earlier(g.NextFlush, due), true
	default:
		return now, true
	}
}
