package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers/notify"
)

// reader is an address that is to hear of an incident, and the mailing in which
// it does.
type reader struct {
	notify.Reader

	group     []string
	operators bool
}

// readersOf are the addresses that hear of an incident, by the keys of their
// mailings. Of a monitor that nobody watches it is the operators who hear.
func (n *notifier) readersOf(ctx context.Context, incident *job.Incident) map[string]reader {
	operators := incident.Condition == job.ConditionBlind
	names := incident.Notify
	if operators {
		names = n.book.Operators()
	}
	found, unknown := n.book.Readers(names)
	for _, name := range unknown {
		n.log.ErrorContext(ctx, "recipient is not defined; nobody is told in its place", "recipient", name, "monitor", incident.Monitor)
	}
	readers := make(map[string]reader, len(found))
	for _, r := range found {
		to := reader{Reader: r, operators: operators}
		if !operators {
			to.group = notify.GroupOf(n.book.Grouping(r.Recipient).By, incident)
		}
		readers[mailingKey(r.Address, to.group, operators)] = to
	}
	return readers
}

// take takes a state into the accounts of its monitor, and sees to it that the
// mailings with news are looked at. After an error it is to be done again;
// doing it twice is doing it once.
func (n *notifier) take(ctx context.Context, state *job.State) error {
	if n.knows(state) {
		return nil
	}
	accounts, err := n.ledger.ofMonitor(ctx, state.Monitor)
	if err != nil {
		return err
	}
	hears := map[string]map[string]reader{} // by incident and mailing
	readers := map[string]reader{}
	for i := range state.Events {
		event := &state.Events[i]
		if !event.Kind.Begins() {
			continue
		}
		of := n.readersOf(ctx, &event.Incident)
		hears[event.Incident.ID] = of
		for mailing, r := range of {
			readers[mailing] = r
			if !slices.ContainsFunc(accounts, func(a account) bool { return a.mailing == mailing }) {
				accounts = append(accounts, account{Account: job.Account{Monitor: state.Monitor}, mailing: mailing})
			}
		}
	}
	for i := range accounts {
		a := &accounts[i]
		begins := func(incident *job.Incident) bool {
			_, told := hears[incident.ID][a.mailing]
			return told
		}
		if err := n.ledger.change(ctx, a, func(before job.Account) (job.Account, bool) {
			before.Monitor = state.Monitor
			return notify.Take(before, state, begins, n.now())
		}); err != nil {
			return fmt.Errorf("take in %s: %w", state.Monitor, err)
		}
		if !notify.HasNews(a.Account) {
			continue
		}
		if err := n.wake(ctx, a.mailing, readers[a.mailing]); err != nil {
			return err
		}
	}
	n.know(state)
	return nil
}

// maxTaken bounds what is remembered of states that were taken in; it only
// saves work.
const maxTaken = 100_000

func (n *notifier) knows(state *job.State) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.taken[state.Monitor]
	return state.Sequence == 0 || ok && known >= state.Sequence
}

func (n *notifier) know(state *job.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.taken) >= maxTaken {
		clear(n.taken)
	}
	n.taken[state.Monitor] = max(n.taken[state.Monitor], state.Sequence)
}

// wake sees to it that a mailing is looked at when its news are due. It writes
// only when that is sooner than it would be anyway, so that a thousand monitors
// that go down at once cost a thousand accounts and one timer.
//
// A mailing that is to be looked at just now is written in any case: whoever
// looks may have read the accounts before ours was written, and finds out by
// the conflict.
func (n *notifier) wake(ctx context.Context, key string, r reader) error {
	for range maxSwaps {
		mailing, revision, err := n.ledger.mailing(ctx, key)
		if err != nil {
			return err
		}
		if revision == 0 {
			if r.Address == "" {
				return nil // nobody was ever told anything here
			}
			mailing = job.Mailing{Address: r.Address, Recipient: r.Recipient, Group: r.group, Operators: r.operators}
		}
		if r.Address != "" {
			mailing.Recipient = r.Recipient
		}
		now := n.now()
		grouping := n.book.Grouping(mailing.Recipient)
		due := later(now.Add(grouping.Wait.Std()), mailing.Last.Add(grouping.Interval.Std()))
		if mailing.Wake.After(now.Add(ledgerSlack)) && !due.Before(mailing.Wake) {
			return nil
		}
		mailing.Wake = notify.Ceil(due)
		if !due.After(now) {
			mailing.Wake = due.UTC()
		}
		if _, err = n.ledger.swap(ctx, key, mailing, revision); err == nil {
			if err := n.p.SetTimer(ctx, mailingTimer, mailingID(key), mailing.Wake, nil); err != nil {
				return err
			}
			return nil
		}
		if !errors.Is(err, pipeline.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("wake mailing %s: %w", key, pipeline.ErrConflict)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// due looks at a mailing whose timer has fired.
func (n *notifier) due(ctx context.Context, d pipeline.Delivery) error {
	key := cutMailingID(d.Subject)
	if strings.Count(key, ".") != 1 {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read timer: found %q, expected the id of a mailing", d.Subject))
	}
	return n.flush(ctx, key)
}
