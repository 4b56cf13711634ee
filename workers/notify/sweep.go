package notify

import (
	"context"
	"time"

	"vedette/pipeline/job"
)

const (
	// sweepID and reconcileID are the ids of the sweep timers.
	sweepID     = "all"
	reconcileID = "reconcile"
	// FirstSweep is how soon after a start the first sweep is, sweepInterval the
	// time between sweeps.
	FirstSweep    = 10 * time.Second
	sweepInterval = 5 * time.Minute
	// overdue is how late a group may be before its timer counts as lost.
	overdue = 10 * time.Second
)

// HandleSweep handles a sweep timer that fired.
func (n *Notifier) HandleSweep(ctx context.Context, id string) error {
	if id == reconcileID {
		return n.Reconcile(ctx)
	}
	return n.Sweep(ctx)
}

// Sweep schedules the groups with outstanding notifications that no timer will
// flush: after silences changed, after a crash between two writes, and after a
// timer was lost with a disk. It looks again at former recipients, whom no event
// finds by the definition. So no notification is ever forgotten.
func (n *Notifier) Sweep(ctx context.Context) error {
	for _, name := range n.logs.index.allMonitors(true) {
		if err := n.ReconcileMonitor(ctx, name); err != nil {
			return err
		}
	}
	groups, err := n.logs.groups(ctx)
	if err != nil {
		return err
	}
	logged := n.logs.index.allGroups()
	for key, group := range groups {
		if !n.needsFlush(&group, logged[key]) {
			continue
		}
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), n.config.Now()); err != nil {
			return err
		}
	}
	return n.SweepIn(ctx, sweepInterval)
}

// needsFlush reports whether a group must be flushed now: its timer is late or
// lost, or what held a notification or a reminder back may have ended.
func (n *Notifier) needsFlush(group *job.NotificationGroup, logs groupStatus) bool {
	now, grouping := n.config.Now(), n.directory.Grouping(group.Recipient)
	setGroupBack(group, &grouping, now)
	repeat := grouping.RepeatInterval.Std()
	late := !group.NextFlush.IsZero() && now.Sub(group.NextFlush) > overdue
	remind := logs.open && repeat > 0 && (group.NextFlush.IsZero() || now.Sub(group.LastNotified) >= repeat)
	switch {
	case late, group.Pending != nil:
		return true
	case !logs.outstanding && !remind:
		return false
	default: // before the end of the interval there is no mail anyway, and its timer is set
		return !group.NextFlush.After(now) || now.Sub(group.LastNotified) >= grouping.GroupInterval.Std()
	}
}

// SweepIn sets the timer for a sweep.
func (n *Notifier) SweepIn(ctx context.Context, d time.Duration) error {
	return n.config.Timers.SetTimer(ctx, TimerSweep, sweepID, n.config.Now().Add(d))
}
