package notify

import (
	"context"
	"time"
)

const (
	// sweepID is that of the timer; there is one.
	sweepID = "ledger"
	// FirstSweep is how soon after a start, sweepInterval how often the ledger is
	// looked through.
	FirstSweep    = 10 * time.Second
	sweepInterval = 5 * time.Minute
	// overdue is how late a mailing may be before its timer is taken for lost.
	overdue = 10 * time.Second
)

// Sweep looks through the ledger for news whose mailing nobody is going to look
// at, and has it looked at. It finds what is held back when silences change,
// and what a crash between two writes, or a timer that was lost with a disk,
// has left behind: so that nothing which is owed is ever forgotten.
func (n *Notifier) Sweep(ctx context.Context) error {
	mailings, err := n.ledger.mailings(ctx)
	if err != nil {
		return err
	}
	accounts, err := n.ledger.accounts(ctx, "*.*.>")
	if err != nil {
		return err
	}
	news := map[string]bool{}
	for i := range accounts {
		if Outstanding(accounts[i].NotificationLog) {
			news[accounts[i].mailing] = true
		}
	}
	now := n.config.Now()
	for key, mailing := range mailings {
		late := !mailing.NextFlush.IsZero() && now.Sub(mailing.NextFlush) > overdue
		if !late && !news[key] && mailing.Pending == nil {
			continue
		}
		if due := mailing.NextFlush.After(now) && now.Sub(mailing.LastNotified) < n.directory.Grouping(mailing.Recipient).GroupInterval.Std(); due && mailing.Pending == nil {
			continue // its news wait for their time
		}
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), now); err != nil {
			return err
		}
	}
	return n.SweepIn(ctx, sweepInterval)
}

// SweepIn has the ledger looked through after a while, by whoever lives then.
func (n *Notifier) SweepIn(ctx context.Context, d time.Duration) error {
	return n.config.Timers.SetTimer(ctx, TimerSweep, sweepID, n.config.Now().Add(d))
}
