package workers

import (
	"context"
	"time"

	"vedette/pipeline"
	"vedette/workers/notify"
)

const (
	// sweepTimer is what the timer of the sweep is; there is one.
	sweepTimer = "sweep"
	sweepID    = "ledger"
	// firstSweep is how soon after a start, sweepInterval how often the ledger is
	// looked through.
	firstSweep    = 10 * time.Second
	sweepInterval = 5 * time.Minute
	// overdue is how late a mailing may be before its timer is taken for lost.
	overdue = 10 * time.Second
)

// sweep looks through the ledger for news whose mailing nobody is going to look
// at, and has it looked at. It finds what is held back when silences change,
// and what a crash between two writes, or a timer that was lost with a disk,
// has left behind: so that nothing which is owed is ever forgotten.
func (n *notifier) sweep(ctx context.Context, _ pipeline.Delivery) error {
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
		if notify.HasNews(accounts[i].Account) {
			news[accounts[i].mailing] = true
		}
	}
	now := n.now()
	for key, mailing := range mailings {
		late := !mailing.Wake.IsZero() && now.Sub(mailing.Wake) > overdue
		if !late && !news[key] && mailing.Open == nil {
			continue
		}
		if due := mailing.Wake.After(now) && now.Sub(mailing.Last) < n.book.Grouping(mailing.Recipient).Interval.Std(); due && mailing.Open == nil {
			continue // its news wait for their time
		}
		if err := n.p.SetTimer(ctx, mailingTimer, mailingID(key), now, nil); err != nil {
			return err
		}
	}
	return n.p.SetTimer(ctx, sweepTimer, sweepID, now.Add(sweepInterval), nil)
}
