package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline/job"
)

// logStore reads and writes notification logs and groups. The keys are
//
//	<address>.<group>              a group
//	<address>.alerts.<monitor>     a log of alerts
//	<address>.operators.<monitor>  a log of mails to operators
//
// so that what an address was notified about stays in one place, whatever its
// group is at present. The index finds the logs that belong to a group.
type logStore struct {
	store Store
	index *Index
}

const (
	// maxSwaps is how often a swap is tried before the work is left for later:
	// each conflict means that another process finished the same kind of work.
	maxSwaps = 10
	// clockSlack is how far clocks may differ, and reads lag behind writes: a
	// group due within this time may be read already, without the latest write.
	clockSlack = 2 * time.Second
	// parallelWrites limits concurrent writes to logs.
	parallelWrites = 32
)

// storedLog is a log with its place in the store.
type storedLog struct {
	job.NotificationLog

	pair     pair
	revision uint64
}

// groupKey is the key of the group that the log belongs to.
func (l *storedLog) groupKey() string { return l.pair.address + "." + l.Group }

// load reads the logs whose keys match.
func (s *logStore) load(ctx context.Context, filter string) ([]storedLog, error) {
	entries, err := s.store.Load(ctx, filter)
	if err != nil {
		return nil, err
	}
	logs := make([]storedLog, 0, len(entries))
	for _, e := range entries {
		pair, ok := cutPair(e.Key)
		if !ok {
			continue
		}
		log, err := decodeLog(e)
		if err != nil {
			return nil, err
		}
		logs = append(logs, storedLog{NotificationLog: log, pair: pair, revision: e.Revision})
	}
	return logs, nil
}

func decodeLog(e Entry) (job.NotificationLog, error) {
	log, err := job.Decode[job.NotificationLog](e.Value)
	if err != nil {
		return log, fmt.Errorf("read notification log %s: %w", e.Key, err)
	}
	return log, nil
}

// read reads the logs for pairs, in their order. A missing log is empty, with
// revision zero.
func (s *logStore) read(ctx context.Context, pairs []pair) ([]storedLog, error) {
	logs := make([]storedLog, len(pairs))
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(parallelWrites)
	for i, p := range pairs {
		logs[i] = storedLog{NotificationLog: job.NotificationLog{V: job.Version, Monitor: p.monitor}, pair: p}
		workers.Go(func() error { return s.reread(ctx, &logs[i]) })
	}
	return logs, workers.Wait()
}

// inGroup reads the logs that belong to a group, in the order of their monitors.
func (s *logStore) inGroup(ctx context.Context, group string) ([]storedLog, error) {
	logs, err := s.read(ctx, s.index.inGroup(group))
	return slices.DeleteFunc(logs, func(l storedLog) bool { return l.groupKey() != group }), err
}

// named returns the logs that a notification of a group changes, from those at
// hand or from the store.
func (s *logStore) named(ctx context.Context, group string, operators bool, n *job.Notification, known []storedLog) ([]storedLog, error) {
	address, _, _ := strings.Cut(group, ".")
	at := make(map[pair]int, len(known))
	for i := range known {
		at[known[i].pair] = i
	}
	var logs []storedLog
	var missing []pair
	seen := make(map[string]bool, len(n.Updates))
	for _, update := range n.Updates {
		if seen[update.Monitor] {
			continue
		}
		seen[update.Monitor] = true
		p := pair{address: address, operators: operators, monitor: update.Monitor}
		if i, ok := at[p]; ok {
			logs = append(logs, known[i])
		} else {
			missing = append(missing, p)
		}
	}
	read, err := s.read(ctx, missing)
	return append(logs, read...), err
}

// untilNoConflict repeats work that lost a swap against another process.
func untilNoConflict(doing string, try func() error) error {
	for range maxSwaps {
		if err := try(); !errors.Is(err, job.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", doing, job.ErrConflict)
}

// change changes a log by compare-and-swap, starting from the copy at hand. step
// reports whether it changed the log; otherwise the log is not written.
func (s *logStore) change(ctx context.Context, log *storedLog, step func(*job.NotificationLog) bool) error {
	return untilNoConflict("change notification log "+log.pair.key(), func() error {
		next := cloneLog(log.NotificationLog)
		if !step(&next) {
			return nil
		}
		body, err := job.Encode(next)
		if err != nil {
			return err
		}
		revision, err := s.store.Swap(ctx, log.pair.key(), body, log.revision)
		if err == nil {
			log.NotificationLog, log.revision = next, revision
			s.index.note(log.pair, &next, revision)
		} else if errors.Is(err, job.ErrConflict) {
			err = cmp.Or(s.reread(ctx, log), err)
		}
		return err
	})
}

// cloneLog returns a log whose incidents can be changed.
func cloneLog(log job.NotificationLog) job.NotificationLog {
	log.Incidents = slices.Clone(log.Incidents)
	return log
}

// reread reads a log, and leaves it as it is if there is none.
func (s *logStore) reread(ctx context.Context, log *storedLog) error {
	found, err := s.store.Get(ctx, log.pair.key())
	if err != nil || found.Revision == 0 {
		return err
	}
	log.NotificationLog, err = decodeLog(found)
	log.revision = found.Revision
	return err
}

// changeAll changes many logs.
func (s *logStore) changeAll(ctx context.Context, logs []storedLog, step func(*job.NotificationLog) bool) error {
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(parallelWrites)
	for i := range logs {
		workers.Go(func() error { return s.change(ctx, &logs[i], step) })
	}
	return workers.Wait()
}

// applyAll applies updates to the logs that they name. It reports whether all of
// them are this notification's.
func (s *logStore) applyAll(ctx context.Context, logs []storedLog, n *job.Notification) (won bool, err error) {
	updates := map[string][]job.Update{}
	for _, u := range n.Updates {
		updates[u.Monitor] = append(updates[u.Monitor], u)
	}
	var losses atomic.Int64
	err = s.changeAll(ctx, logs, func(log *job.NotificationLog) bool {
		if len(updates[log.Monitor]) == 0 {
			return false
		}
		changed, lost := apply(log, &job.Notification{ID: n.ID, At: n.At, Updates: updates[log.Monitor]})
		if lost {
			losses.Add(1)
		}
		return changed
	})
	return losses.Load() == 0, err
}
