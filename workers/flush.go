package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers/notify"
)

// certain is how long after it was made a mail has left, or is given up, for
// certain; the ledger of sent mails forgets later than that.
const certain = giveUpAfter + time.Hour

// flush decides about a mailing, and makes the mail that is due. Whoever writes
// the mailing first has decided; a letter stands in it before it is ordered, so
// that whoever comes after a crash orders the same one.
func (n *notifier) flush(ctx context.Context, key string) error {
	for range maxSwaps {
		err := n.tryFlush(ctx, key)
		if !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("decide about mailing %s: %w", key, pipeline.ErrConflict)
}

func (n *notifier) tryFlush(ctx context.Context, key string) error {
	mailing, revision, err := n.ledger.mailing(ctx, key)
	if err != nil || revision == 0 {
		return err
	}
	if mailing.Open != nil {
		if revision, err = n.handOver(ctx, key, &mailing, revision); err != nil {
			return err
		}
	}
	accounts, err := n.ledger.ofMailing(ctx, key)
	if err != nil {
		return err
	}
	decision, err := n.decide(ctx, &mailing, accounts)
	if err != nil {
		return err
	}
	if err := n.drop(ctx, accounts, decision.Drops); err != nil {
		return err
	}
	mailing.Wake = notify.Ceil(decision.Wake)
	if len(decision.Lines) > 0 {
		letter, err := n.words.Letter(&decision, &mailing, n.book.Grouping(mailing.Recipient), n.book.Zone(mailing.Recipient), n.now())
		if err != nil {
			return err
		}
		mailing.Open, mailing.Last = &letter, letter.At
		mailing.Sequence++
	}
	if revision, err = n.ledger.swap(ctx, key, mailing, revision); err != nil {
		return err
	}
	if !mailing.Wake.IsZero() {
		if err := n.p.SetTimer(ctx, mailingTimer, mailingID(key), mailing.Wake, nil); err != nil {
			return err
		}
	}
	if mailing.Open == nil {
		return nil
	}
	_, err = n.handOver(ctx, key, &mailing, revision)
	return err
}

// handOver orders the letter that stands in a mailing, notes in the accounts
// what it tells, and takes it out of the mailing.
func (n *notifier) handOver(ctx context.Context, key string, mailing *job.Mailing, revision uint64) (uint64, error) {
	letter := mailing.Open
	outbox := mailOutbox{p: n.p, class: job.MailAlert}
	if mailing.Operators {
		outbox.class = job.MailOperator
	}
	if err := outbox.Enqueue(ctx, *letter.Mail); err != nil {
		return 0, err
	}
	accounts, err := n.ledger.ofMailing(ctx, key)
	if err != nil {
		return 0, err
	}
	tells := map[string][]job.Telling{}
	for _, t := range letter.Tells {
		tells[t.Monitor] = append(tells[t.Monitor], t)
	}
	accounts = slices.DeleteFunc(accounts, func(a account) bool { return len(tells[a.Monitor]) == 0 })
	if err := n.ledger.changeAll(ctx, accounts, func(a job.Account) (job.Account, bool) {
		return notify.Settle(a, job.Letter{ID: letter.ID, At: letter.At, Tells: tells[a.Monitor]})
	}); err != nil {
		return 0, err
	}
	mailing.Open, mailing.Sent = nil, &job.Letter{ID: letter.ID, At: letter.At}
	return n.ledger.swap(ctx, key, *mailing, revision)
}

// decide decides what is to be told. When the last mail has not left yet and
// there is more to tell, it is taken back, and what it told is told anew with
// what came since: a relay that was away sends one mail when it is back.
func (n *notifier) decide(ctx context.Context, mailing *job.Mailing, accounts []account) (notify.Decision, error) {
	if err := n.settleSent(ctx, mailing, accounts); err != nil {
		return notify.Decision{}, err
	}
	parents := n.newParents(ctx, mailing.Address)
	plan := func() notify.Decision {
		situation := notify.Situation{
			Now: n.now(), Mailing: *mailing, Grouping: n.book.Grouping(mailing.Recipient), Parent: parents.hold,
			Quiet: func(incident *job.Incident) notify.Hold { return n.quiet.Hold(incident, n.now()) },
		}
		for i := range accounts {
			situation.Accounts = append(situation.Accounts, accounts[i].Account)
		}
		return notify.Plan(situation)
	}
	decision := plan()
	if len(decision.Lines) == 0 || mailing.Sent == nil {
		return decision, nil
	}
	sent, err := n.sent.Withdraw(ctx, mailing.Sent.ID, n.now().UTC())
	if err != nil {
		return notify.Decision{}, err
	}
	if err := n.close(ctx, mailing, accounts, sent); err != nil {
		return notify.Decision{}, err
	}
	return plan(), nil
}

// settleSent finds out what became of the last mail.
func (n *notifier) settleSent(ctx context.Context, mailing *job.Mailing, accounts []account) error {
	if mailing.Sent == nil {
		return nil
	}
	sent, _, err := n.sent.Sent(ctx, mailing.Sent.ID)
	if err != nil {
		return err
	}
	sent.Done = sent.Done || n.now().Sub(mailing.Sent.At) > certain
	if !sent.Done && !sent.Withdrawn {
		return nil
	}
	return n.close(ctx, mailing, accounts, sent)
}

// close takes the last mail out of the mailing: what it told is undone when it
// was withdrawn, and else done with.
func (n *notifier) close(ctx context.Context, mailing *job.Mailing, accounts []account, sent job.Sent) error {
	letter := mailing.Sent.ID
	mailing.Sent = nil
	return n.ledger.changeAll(ctx, accounts, func(a job.Account) (job.Account, bool) {
		if sent.Withdrawn {
			return notify.Withdraw(a, letter)
		}
		return notify.Forget(a, letter)
	})
}

// drop takes out of the accounts what is never told.
func (n *notifier) drop(ctx context.Context, accounts []account, drops []job.Telling) error {
	if len(drops) == 0 {
		return nil
	}
	by := map[string][]job.Telling{}
	for _, t := range drops {
		by[t.Monitor] = append(by[t.Monitor], t)
	}
	return n.ledger.changeAll(ctx, accounts, func(a job.Account) (job.Account, bool) {
		return notify.Settle(a, job.Letter{Tells: by[a.Monitor]})
	})
}
