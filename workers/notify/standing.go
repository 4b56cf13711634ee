package notify

import (
	"context"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// Standing is what one address was told of one monitor, what it is owed, and
// when it is looked at next: for people who ask.
type Standing struct {
	Mailing job.NotificationGroup `json:"mailing"`
	Account job.NotificationLog   `json:"account"`
}

// Standings reads what all addresses were told of a monitor. The accounts of
// addresses that are owed nothing, and have nothing open, are among them.
func Standings(ctx context.Context, store Store, monitor string) ([]Standing, error) {
	l := &ledger{store: store}
	accounts, err := l.ofMonitor(ctx, monitor)
	if err != nil {
		return nil, err
	}
	standings := make([]Standing, 0, len(accounts))
	for i := range accounts {
		mailing, _, err := l.mailing(ctx, accounts[i].mailing)
		if err != nil {
			return nil, err
		}
		mailing.Pending = nil // what it tells stands in the accounts in a moment
		standings = append(standings, Standing{Mailing: mailing, Account: accounts[i].NotificationLog})
	}
	slices.SortFunc(standings, func(a, b Standing) int { return strings.Compare(a.Mailing.Address, b.Mailing.Address) })
	return standings, nil
}

// MissText puts a reason for a miss, and its detail, into words.
func MissText(reason job.MissReason, detail string) string { return reasonOf(reason, detail) }
