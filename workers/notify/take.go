package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette/pipeline/job"
)

// reader is an address that is to hear of an incident, and the mailing in which
// it does.
type reader struct {
	Addressee

	group     []string
	operators bool
}

// readersOf are the addresses that hear of an incident, by the keys of their
// mailings. Of a monitor that nobody watches it is the operators who hear.
func (n *Notifier) readersOf(ctx context.Context, incident *job.Incident) map[string]reader {
	operators := incident.Condition == job.ConditionNoData
	names := incident.Notify
	if operators {
		names = n.directory.Operators()
	}
	found, unknown := n.directory.Addressees(names)
	for _, name := range unknown {
		n.config.Logger.ErrorContext(ctx, "recipient is not defined; nobody is told in its place", "recipient", name, "monitor", incident.Monitor)
	}
	readers := make(map[string]reader, len(found))
	for _, r := range found {
		to := reader{Addressee: r, operators: operators}
		if !operators {
			to.group = GroupOf(n.directory.Grouping(r.Recipient).GroupBy, incident)
		}
		readers[mailingKey(r.Address, to.group, operators)] = to
	}
	return readers
}

// receive takes a state into the accounts of its monitor, and sees to it that the
// mailings with news are looked at. After an error it is to be done again;
// doing it twice is doing it once.
func (n *Notifier) Receive(ctx context.Context, state *job.State) error {
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
		if event.Kind != job.EventBegan {
			continue
		}
		of := n.readersOf(ctx, &event.Incident)
		hears[event.Incident.ID] = of
		for mailing, r := range of {
			readers[mailing] = r
			if !slices.ContainsFunc(accounts, func(a account) bool { return a.mailing == mailing }) {
				accounts = append(accounts, account{NotificationLog: job.NotificationLog{Monitor: state.Monitor}, mailing: mailing})
			}
		}
	}
	for i := range accounts {
		a := &accounts[i]
		begins := func(incident *job.Incident) bool {
			_, told := hears[incident.ID][a.mailing]
			return told
		}
		if err := n.ledger.change(ctx, a, func(before job.NotificationLog) (job.NotificationLog, bool) {
			before.Monitor = state.Monitor
			return receive(before, state, begins, n.config.Now())
		}); err != nil {
			return fmt.Errorf("take in %s: %w", state.Monitor, err)
		}
		if !Outstanding(a.NotificationLog) {
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

func (n *Notifier) knows(state *job.State) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known, ok := n.taken[state.Monitor]
	return state.Sequence == 0 || ok && known >= state.Sequence
}

func (n *Notifier) know(state *job.State) {
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
// The timer is set before the mailing is written: whoever crashes between the
// two does both again, and of two who do it at once the one who loses the
// mailing does so too, so that the timer is always that of the mailing.
func (n *Notifier) wake(ctx context.Context, key string, r reader) error {
	for range maxSwaps {
		mailing, revision, err := n.ledger.mailing(ctx, key)
		if err != nil {
			return err
		}
		if revision == 0 {
			if r.Address == "" {
				return nil // nobody was ever told anything here
			}
			// It has to be there when its timer fires.
			mailing = job.NotificationGroup{Address: r.Address, Recipient: r.Recipient, Group: r.group, Operators: r.operators}
			revision, err = n.ledger.swap(ctx, key, mailing, 0)
			if errors.Is(err, ErrConflict) {
				continue
			}
			if err != nil {
				return err
			}
		}
		if r.Address != "" {
			mailing.Recipient = r.Recipient
		}
		at, sooner := n.soonest(&mailing)
		if !sooner {
			return nil
		}
		mailing.NextFlush = at
		if err := n.config.Timers.SetTimer(ctx, TimerFlush, timerID(key), at); err != nil {
			return err
		}
		if _, err = n.ledger.swap(ctx, key, mailing, revision); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("wake mailing %s: %w", key, ErrConflict)
}

// soonest is when a mailing is to be looked at that has news, and whether that
// must be written. A mailing that is to be looked at just now is written in any
// case: whoever looks may have read the accounts before ours was written, and
// finds out by the conflict.
func (n *Notifier) soonest(m *job.NotificationGroup) (at time.Time, write bool) {
	now := n.config.Now().UTC()
	grouping := n.directory.Grouping(m.Recipient)
	due := CeilSecond(later(now.Add(grouping.GroupWait.Std()), m.LastNotified.Add(grouping.GroupInterval.Std())))
	if grouping.GroupWait == 0 && now.Sub(m.LastNotified) >= grouping.GroupInterval.Std() {
		due = now
	}
	switch {
	case m.NextFlush.IsZero():
		return due, true
	case m.NextFlush.After(now.Add(ledgerSlack)):
		return due, due.Before(m.NextFlush)
	case m.NextFlush.After(now):
		return earlier(m.NextFlush, due), true
	default:
		return now, true
	}
}

// Due looks at the mailing of a timer that has fired.
func (n *Notifier) Due(ctx context.Context, id string) error {
	key, ok := cutTimerID(id)
	if !ok {
		return job.Dead(job.ReasonInvalid, fmt.Errorf("read timer: found %q, expected the id of a mailing", id))
	}
	return n.flush(ctx, key)
}
