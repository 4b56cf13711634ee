package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline/job"
)

// ledger is the bucket of what addresses were told. Its keys are
//
//	<address>.<group>            a mailing
//	<address>.<group>.<monitor>  an account
//
// so that all accounts of a mailing, and all accounts of a monitor, can be read
// at once, and no process has to remember any.
type ledger struct {
	store Store
}

// operatorsGroup is the group of what operators are told of monitors.
const operatorsGroup = "operators"

// mailingKey is the key of the mailing to an address, of one group.
func mailingKey(address string, group []string, operators bool) string {
	kind := "group"
	if operators {
		kind = operatorsGroup
	}
	return job.DeriveID("address", AddressKey(address)) + "." + job.DeriveID(append([]string{kind}, group...)...)
}

// cutAccountKey returns the mailing's key and the monitor of an account's key,
// and whether it is one.
func cutAccountKey(key string) (mailing, monitor string, ok bool) {
	address, rest, _ := strings.Cut(key, ".")
	group, monitor, ok := strings.Cut(rest, ".")
	return address + "." + group, monitor, ok
}

// account is an account as it stands.
type account struct {
	job.NotificationLog

	mailing  string // its key
	revision uint64
}

func (a *account) key() string { return a.mailing + "." + a.Monitor }

// accounts reads the accounts whose keys match.
func (l *ledger) accounts(ctx context.Context, filter string) ([]account, error) {
	entries, err := l.store.Load(ctx, filter)
	if err != nil {
		return nil, err
	}
	accounts := make([]account, 0, len(entries))
	for _, e := range entries {
		mailing, _, ok := cutAccountKey(e.Key)
		if !ok {
			continue
		}
		read, err := job.Decode[job.NotificationLog](e.Value)
		if err != nil {
			return nil, fmt.Errorf("read account %s: %w", e.Key, err)
		}
		accounts = append(accounts, account{NotificationLog: read, mailing: mailing, revision: e.Revision})
	}
	return accounts, nil
}

// ofMonitor reads the accounts of a monitor, of all addresses.
func (l *ledger) ofMonitor(ctx context.Context, monitor string) ([]account, error) {
	return l.accounts(ctx, "*.*."+monitor)
}

// ofOthers reads the accounts of the same address in other mailings.
func (l *ledger) ofOthers(ctx context.Context, mailing string) ([]job.NotificationLog, error) {
	address, _, _ := strings.Cut(mailing, ".")
	accounts, err := l.accounts(ctx, address+".*.>")
	var others []job.NotificationLog
	for i := range accounts {
		if accounts[i].mailing != mailing {
			others = append(others, accounts[i].NotificationLog)
		}
	}
	return others, err
}

// ofMailing reads the accounts of a mailing.
func (l *ledger) ofMailing(ctx context.Context, mailing string) ([]account, error) {
	return l.accounts(ctx, mailing+".>")
}

// change changes an account by compare-and-swap, from what it is known to be
// on. What step leaves as it is, is not written.
func (l *ledger) change(ctx context.Context, a *account, step func(job.NotificationLog) (job.NotificationLog, bool)) error {
	for range maxSwaps {
		next, changed := step(a.NotificationLog)
		if !changed {
			return nil
		}
		body, err := job.Encode(next)
		if err != nil {
			return err
		}
		revision, err := l.store.Swap(ctx, a.key(), body, a.revision)
		if err == nil {
			a.NotificationLog, a.revision = next, revision
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := l.reread(ctx, a); err != nil {
			return err
		}
	}
	return fmt.Errorf("change account %s: %w", a.key(), ErrConflict)
}

func (l *ledger) reread(ctx context.Context, a *account) error {
	found, err := l.store.Get(ctx, a.key())
	if err != nil {
		return err
	}
	a.NotificationLog, err = job.Decode[job.NotificationLog](found.Value)
	a.revision = found.Revision
	return err
}

// writers is how many accounts are written at once; one at a time would make a
// round trip for each.
const writers = 32

// changeAll changes many accounts.
func (l *ledger) changeAll(ctx context.Context, accounts []account, step func(job.NotificationLog) (job.NotificationLog, bool)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for i := range accounts {
		group.Go(func() error { return l.change(ctx, &accounts[i], step) })
	}
	return group.Wait()
}

// mailing reads a mailing; without one, its revision is zero.
func (l *ledger) mailing(ctx context.Context, key string) (job.NotificationGroup, uint64, error) {
	found, err := l.store.Get(ctx, key)
	if err != nil || found.Revision == 0 {
		return job.NotificationGroup{}, 0, err
	}
	mailing, err := job.Decode[job.NotificationGroup](found.Value)
	return mailing, found.Revision, err
}

// mailings reads all mailings, by their keys.
func (l *ledger) mailings(ctx context.Context) (map[string]job.NotificationGroup, error) {
	entries, err := l.store.Load(ctx, "*.*")
	if err != nil {
		return nil, err
	}
	all := make(map[string]job.NotificationGroup, len(entries))
	for _, e := range entries {
		if all[e.Key], err = job.Decode[job.NotificationGroup](e.Value); err != nil {
			return nil, fmt.Errorf("read mailing %s: %w", e.Key, err)
		}
	}
	return all, nil
}

// swap writes a mailing if it is still what was read.
func (l *ledger) swap(ctx context.Context, key string, m job.NotificationGroup, revision uint64) (uint64, error) {
	m.V = job.Version
	body, err := job.Encode(m)
	if err != nil {
		return 0, err
	}
	return l.store.Swap(ctx, key, body, revision)
}

// timerID is the id of a mailing's timer, which has to be one token, and
// cutTimerID the key of the mailing again.
func timerID(key string) string { return strings.ReplaceAll(key, ".", "-") }

func cutTimerID(id string) (key string, ok bool) {
	key = strings.Replace(id, "-", ".", 1)
	return key, strings.Count(key, ".") == 1
}

// maxSwaps is how often a swap is tried before the work is tried again later:
// others who win each time have work of the same kind.
const maxSwaps = 10

// ledgerSlack is how far the clocks of processes and of the server may differ,
// and how long a read may lag behind a write: a mailing that is looked at
// within this time may be looked at already, without what was just written.
const ledgerSlack = 2 * time.Second
