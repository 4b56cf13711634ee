package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline/job"
)

// logStore reads and writes notification logs and groups. The keys are
//
//	<address>.<group>            a group
//	<address>.<group>.<monitor>  a log
//
// so that one read returns all logs for a group, or all logs about a monitor, and
// processes need no memory of their own.
type logStore struct {
	store Store
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

	group    string // its group's key
	revision uint64
}

func (l *storedLog) key() string { return l.group + "." + l.Monitor }

// load reads the logs whose keys match.
func (s *logStore) load(ctx context.Context, filter string) ([]storedLog, error) {
	entries, err := s.store.Load(ctx, filter)
	if err != nil {
		return nil, err
	}
	logs := make([]storedLog, 0, len(entries))
	for _, e := range entries {
		tokens := strings.SplitN(e.Key, ".", 3) // a monitor's name may hold dots
		if len(tokens) < 3 {
			continue
		}
		log, err := job.Decode[job.NotificationLog](e.Value)
		if err != nil {
			return nil, fmt.Errorf("read notification log %s: %w", e.Key, err)
		}
		logs = append(logs, storedLog{NotificationLog: log, group: tokens[0] + "." + tokens[1], revision: e.Revision})
	}
	return logs, nil
}

// aboutMonitor reads the logs about a monitor, for all addresses.
func (s *logStore) aboutMonitor(ctx context.Context, monitor string) ([]storedLog, error) {
	return s.load(ctx, "*.*."+monitor)
}

// inGroup reads the logs in a group.
func (s *logStore) inGroup(ctx context.Context, group string) ([]storedLog, error) {
	return s.load(ctx, group+".>")
}

// inOtherGroups reads the logs for the same address in other groups.
func (s *logStore) inOtherGroups(ctx context.Context, group string) ([]job.NotificationLog, error) {
	address, _, _ := strings.Cut(group, ".")
	logs, err := s.load(ctx, address+".*.>")
	var others []job.NotificationLog
	for i := range logs {
		if logs[i].group != group {
			others = append(others, logs[i].NotificationLog)
		}
	}
	return others, err
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
	return untilNoConflict("change notification log "+log.key(), func() error {
		next := cloneLog(log.NotificationLog)
		if !step(&next) {
			return nil
		}
		body, err := job.Encode(next)
		if err != nil {
			return err
		}
		revision, err := s.store.Swap(ctx, log.key(), body, log.revision)
		if err == nil {
			log.NotificationLog, log.revision = next, revision
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

func (s *logStore) reread(ctx context.Context, log *storedLog) error {
	found, err := s.store.Get(ctx, log.key())
	if err != nil {
		return err
	}
	log.NotificationLog, err = job.Decode[job.NotificationLog](found.Value)
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

// applyAll applies updates to the logs that they name.
func (s *logStore) applyAll(ctx context.Context, logs []storedLog, n *job.Notification) error {
	if len(n.Updates) == 0 {
		return nil
	}
	updates := map[string][]job.Update{}
	for _, u := range n.Updates {
		updates[u.Monitor] = append(updates[u.Monitor], u)
	}
	return s.changeAll(ctx, logs, func(log *job.NotificationLog) bool {
		return apply(log, &job.Notification{ID: n.ID, At: n.At, Updates: updates[log.Monitor]})
	})
}
