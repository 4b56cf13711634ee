package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// certain is how long after it was made a mail has left, or is given up, for
// certain. Who knows what was sent forgets it later than that.
const certain = 25 * time.Hour

// flush decides about a mailing, and makes the mail that is due. Whoever writes
// the mailing first has decided; a letter stands in it before it is ordered, so
// that whoever comes after a crash orders the same one.
func (n *Notifier) flush(ctx context.Context, key string) error {
	for range maxSwaps {
		err := n.tryFlush(ctx, key)
		if !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("decide about mailing %s: %w", key, ErrConflict)
}

func (n *Notifier) tryFlush(ctx context.Context, key string) error {
	mailing, revision, err := n.ledger.mailing(ctx, key)
	if err != nil || revision == 0 {
		return err
	}
	if mailing.Pending != nil {
		if revision, err = n.handOver(ctx, key, &mailing, revision); err != nil {
			return err
		}
	}
	accounts, err := n.ledger.ofMailing(ctx, key)
	if err != nil {
		return err
	}
	decision, err := n.decide(ctx, key, &mailing, accounts)
	if err != nil {
		return err
	}
	if mailing.Sent != nil {
		decision.Next = earlier(decision.Next, mailing.Sent.At.Add(fresh))
	}
	mailing.NextFlush = CeilSecond(decision.Next)
	if len(decision.Lines) == 0 {
		if err := n.drop(ctx, accounts, decision.Suppressed); err != nil {
			return err
		}
	} else {
		decision.Updates = append(decision.Updates, decision.Suppressed...) // together, so that a mail lists what is gone then
		letter, err := n.config.Renderer.Render(&decision, &mailing, n.directory.Grouping(mailing.Recipient), n.directory.TimeZone(mailing.Recipient), n.config.Now())
		if err != nil {
			return err
		}
		mailing.Pending, mailing.LastNotified = &letter, letter.At
		mailing.NextFlush = CeilSecond(earlier(mailing.NextFlush, letter.At.Add(fresh)))
		mailing.Sequence++
	}
	if !mailing.NextFlush.IsZero() { // before the mailing is written, as wake does
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), mailing.NextFlush); err != nil {
			return err
		}
	}
	if revision, err = n.ledger.swap(ctx, key, mailing, revision); err != nil {
		return err
	}
	if mailing.Pending == nil {
		return nil
	}
	_, err = n.handOver(ctx, key, &mailing, revision)
	return err
}

// handOver orders the letter that stands in a mailing, notes in the accounts
// what it tells, and takes it out of the mailing.
func (n *Notifier) handOver(ctx context.Context, key string, mailing *job.NotificationGroup, revision uint64) (uint64, error) {
	letter := mailing.Pending
	if err := n.config.Outbox.Enqueue(ctx, *letter.Mail, mailing.Operators); err != nil {
		return 0, err
	}
	accounts, err := n.ledger.ofMailing(ctx, key)
	if err != nil {
		return 0, err
	}
	tells := map[string][]job.Update{}
	for _, t := range letter.Updates {
		tells[t.Monitor] = append(tells[t.Monitor], t)
	}
	accounts = slices.DeleteFunc(accounts, func(a account) bool { return len(tells[a.Monitor]) == 0 })
	if err := n.ledger.changeAll(ctx, accounts, func(a job.NotificationLog) (job.NotificationLog, bool) {
		return apply(a, job.Notification{ID: letter.ID, At: letter.At, Updates: tells[a.Monitor]})
	}); err != nil {
		return 0, err
	}
	mailing.Pending, mailing.Sent = nil, &job.Notification{ID: letter.ID, At: letter.At}
	return n.ledger.swap(ctx, key, *mailing, revision)
}

// decide decides what is to be told. When the last mail has not left yet and
// there is more to tell, it is taken back, and what it told is told anew with
// what came since: a relay that was away sends one mail when it is back.
func (n *Notifier) decide(ctx context.Context, key string, mailing *job.NotificationGroup, accounts []account) (Decision, error) {
	if err := n.settleSent(ctx, mailing, accounts); err != nil {
		return Decision{}, err
	}
	parent := n.parent(ctx, mailing.Address)
	plan := func(others []job.NotificationLog) Decision {
		situation := Input{
			Now: n.config.Now(), Group: *mailing, Others: others, Grouping: n.directory.Grouping(mailing.Recipient), Parent: parent,
			Mute: func(incident *job.Incident) Mute { return n.mutes.Active(incident, n.config.Now()) },
		}
		for i := range accounts {
			situation.Logs = append(situation.Logs, accounts[i].NotificationLog)
		}
		return Plan(situation)
	}
	decision := plan(nil)
	// A mail that did not leave for hours may be stale by now: it is made anew.
	waits := mailing.Sent != nil && n.config.Now().Sub(mailing.Sent.At) >= fresh
	if len(decision.Lines) == 0 && !waits {
		return decision, nil
	}
	var others []job.NotificationLog
	if len(mailing.Group) > 0 { // what is behind them may be of other groups
		var err error
		if others, err = n.ledger.ofOthers(ctx, key); err != nil {
			return Decision{}, err
		}
	}
	if mailing.Sent == nil {
		return plan(others), nil
	}
	sent, err := n.config.Deliveries.Withdraw(ctx, mailing.Sent.ID, n.config.Now().UTC())
	if err != nil {
		return Decision{}, err
	}
	if err := n.close(ctx, mailing, accounts, sent); err != nil {
		return Decision{}, err
	}
	return plan(others), nil
}

// settleSent finds out what became of the last mail.
func (n *Notifier) settleSent(ctx context.Context, mailing *job.NotificationGroup, accounts []account) error {
	if mailing.Sent == nil {
		return nil
	}
	sent, _, err := n.config.Deliveries.Delivery(ctx, mailing.Sent.ID)
	if err != nil {
		return err
	}
	if !sent.Final() && n.config.Now().Sub(mailing.Sent.At) <= certain {
		return nil
	}
	return n.close(ctx, mailing, accounts, sent)
}

// close takes the last mail out of the mailing: what it told is undone when it
// was withdrawn, and else done with.
func (n *Notifier) close(ctx context.Context, mailing *job.NotificationGroup, accounts []account, sent job.Delivery) error {
	letter := mailing.Sent.ID
	mailing.Sent = nil
	return n.ledger.changeAll(ctx, accounts, func(a job.NotificationLog) (job.NotificationLog, bool) {
		if sent.State == job.DeliveryWithdrawn {
			return withdraw(a, letter)
		}
		return forget(a, letter)
	})
}

// drop takes out of the accounts what is never told.
func (n *Notifier) drop(ctx context.Context, accounts []account, drops []job.Update) error {
	if len(drops) == 0 {
		return nil
	}
	by := map[string][]job.Update{}
	for _, t := range drops {
		by[t.Monitor] = append(by[t.Monitor], t)
	}
	return n.ledger.changeAll(ctx, accounts, func(a job.NotificationLog) (job.NotificationLog, bool) {
		return apply(a, job.Notification{Updates: by[a.Monitor]})
	})
}
