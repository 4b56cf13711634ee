package notify

import (
	"context"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// Migrate moves the logs that a version before this one stored under
// <address>.<group>.<monitor> to where they are now. Repeating it changes nothing.
func (n *Notifier) Migrate(ctx context.Context) error {
	for _, key := range n.logs.index.takeOld() {
		if err := n.migrate(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (n *Notifier) migrate(ctx context.Context, key string) error {
	found, err := n.logs.store.Get(ctx, key)
	if err != nil || found.Revision == 0 {
		return err
	}
	old, err := decodeLog(found)
	if err != nil || len(old.Incidents) == 0 {
		return err
	}
	tokens := strings.SplitN(key, ".", 3)
	group, _, err := n.logs.group(ctx, tokens[0]+"."+tokens[1])
	if err != nil {
		return err
	}
	logs, err := n.logs.read(ctx, []pair{{address: tokens[0], operators: group.Operators, monitor: tokens[2]}})
	if err != nil {
		return err
	}
	if err := n.logs.change(ctx, &logs[0], func(log *job.NotificationLog) bool { return merge(log, &old, tokens[1]) }); err != nil {
		return err
	}
	old.Incidents = nil
	body, err := job.Encode(old)
	if err != nil {
		return err
	}
	_, err = n.logs.store.Swap(ctx, key, body, found.Revision)
	return err
}

// merge adds the incidents of an old log.
func merge(log, old *job.NotificationLog, group string) (changed bool) {
	for _, known := range old.Incidents {
		if !slices.ContainsFunc(log.Incidents, func(i job.Notified) bool { return i.Incident.ID == known.Incident.ID }) {
			log.Incidents, changed = append(log.Incidents, known), true
		}
	}
	if changed && log.Group == "" {
		log.Group = group
	}
	if old.Sequence > log.Sequence {
		log.Sequence, changed = old.Sequence, true
	}
	return changed
}
