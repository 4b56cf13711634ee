package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline/job"
)

// Receive adds a state's events to the logs about its monitor, and schedules the
// groups with outstanding notifications. After an error it has to be repeated;
// repeating it after success changes nothing.
func (n *Notifier) Receive(ctx context.Context, state *job.State) error {
	if n.knows(state) {
		return nil
	}
	if err := n.look(ctx, state, true, n.scheduleLog); err != nil {
		return fmt.Errorf("receive state of %s: %w", state.Monitor, err)
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

// scheduleLog schedules the group that a log belongs to.
func (n *Notifier) scheduleLog(ctx context.Context, log *storedLog, who *party) error {
	return n.schedule(ctx, log.groupKey(), who)
}

// ensureGroup makes a group exist, since only a group that exists can be flushed.
func (n *Notifier) ensureGroup(ctx context.Context, key string, who *party, operators bool) error {
	_, revision, err := n.logs.group(ctx, key)
	if err != nil || revision > 0 {
		return err
	}
	group := job.NotificationGroup{Address: who.Address, Recipient: who.Recipient, Group: who.group, Operators: operators}
	if _, err = n.logs.swapGroup(ctx, key, group, 0); errors.Is(err, job.ErrConflict) {
		return nil // another process made it
	}
	return err
}

// schedule sets a group's timer for its outstanding notifications. It writes only
// when that makes the group due sooner, so that a thousand monitors that go down
// at once cost a thousand logs and one timer. who is nil for a former recipient.
//
// The timer is set before the group is written: after a crash between the two
// both are repeated, and a process that loses the write to another repeats both
// too, so that the timer always matches the group.
func (n *Notifier) schedule(ctx context.Context, key string, who *party) error {
	return untilNoConflict("schedule notification group "+key, func() error {
		group, revision, err := n.logs.group(ctx, key)
		if err != nil || revision == 0 {
			return err
		}
		if who != nil {
			group.Recipient = who.Recipient
		}
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
