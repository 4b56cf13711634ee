package notify

import (
	"context"
	"time"
)

const (
	// sweepID is the id of the only sweep timer.
	sweepID = "all"
	// FirstSweep is how soon after a start the first sweep is, sweepInterval the
	// time between sweeps.
	FirstSweep    = 10 * time.Second
	sweepInterval = 5 * time.Minute
	// overdue is how late a group may be before its timer counts as lost.
	overdue = 10 * time.Second
)

// Sweep schedules the groups with outstanding notifications that no timer will
// flush: after silences changed, after a crash between two writes, and after a
// timer was lost with a disk. So no notification is ever forgotten.
func (n *Notifier) Sweep(ctx context.Context) error {
	groups, err := n.logs.groups(ctx)
	if err != nil {
		return err
	}
	logs, err := n.logs.load(ctx, "*.*.>")
	if err != nil {
		return err
	}
	waiting := map[string]bool{}
	for i := range logs {
		if hasOutstanding(&logs[i].NotificationLog) {
			waiting[logs[i].group] = true
		}
	}
	now := n.config.Now()
	for key, group := range groups {
		grouping := n.directory.Grouping(group.Recipient)
		setGroupBack(&group, &grouping, now)
		late := !group.NextFlush.IsZero() && now.Sub(group.NextFlush) > overdue
		if !late && !waiting[key] && group.Pending == nil {
			continue
		}
		if group.Pending == nil && group.NextFlush.After(now) && now.Sub(group.LastNotified) < grouping.GroupInterval.Std() {
			continue // its timer is set for the end of the interval
		}
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), now); err != nil {
			return err
		}
	}
	return n.SweepIn(ctx, sweepInterval)
}

// SweepIn sets the timer for a sweep.
func (n *Notifier) SweepIn(ctx context.Context, d time.Duration) error {
	return n.config.Timers.SetTimer(ctx, TimerSweep, sweepID, n.config.Now().Add(d))
}
