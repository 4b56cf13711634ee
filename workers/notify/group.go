package notify

import (
	"context"
	"fmt"
	"strings"

	"vedette/pipeline/job"
)

// groupToken identifies, together with an address, a notification group by what
// its monitors have in common.
func groupToken(group []string, operators bool) string {
	kind := "group"
	if operators {
		kind = "operators"
	}
	return job.DeriveID(append([]string{kind}, group...)...)
}

// timerID is a group key as a timer's id, which has to be a single token.
func timerID(group string) string { return strings.ReplaceAll(group, ".", "-") }

// cutTimerID returns the group key of a timer's id.
func cutTimerID(id string) (group string, ok bool) {
	group = strings.Replace(id, "-", ".", 1)
	return group, strings.Count(group, ".") == 1
}

// groupOf is what a monitor has in common with the other monitors in its group,
// for people.
func groupOf(by []string, m *job.Monitor) []string {
	var group []string
	for _, key := range by {
		switch label, isLabel := strings.CutPrefix(key, job.GroupByLabel); {
		case isLabel:
			group = append(group, label+"="+m.Labels[label])
		case key == job.GroupByMonitor:
			group = append(group, "monitor="+m.Name)
		case key == job.GroupByGroup:
			group = append(group, "group="+m.Group)
		case key == job.GroupByLocation:
			group = append(group, "location="+strings.Join(m.CheckLocations(), ","))
		}
	}
	return group
}

// group reads a notification group; the revision of a missing one is zero.
func (s *logStore) group(ctx context.Context, key string) (job.NotificationGroup, uint64, error) {
	found, err := s.store.Get(ctx, key)
	if err != nil || found.Revision == 0 {
		return job.NotificationGroup{}, 0, err
	}
	group, err := job.Decode[job.NotificationGroup](found.Value)
	return group, found.Revision, err
}

// groups reads all notification groups, by key.
func (s *logStore) groups(ctx context.Context) (map[string]job.NotificationGroup, error) {
	entries, err := s.store.Load(ctx, "*.*")
	if err != nil {
		return nil, err
	}
	all := make(map[string]job.NotificationGroup, len(entries))
	for _, e := range entries {
		if all[e.Key], err = job.Decode[job.NotificationGroup](e.Value); err != nil {
			return nil, fmt.Errorf("read notification group %s: %w", e.Key, err)
		}
	}
	return all, nil
}

// swapGroup writes a group if it is unchanged since it was read.
func (s *logStore) swapGroup(ctx context.Context, key string, g job.NotificationGroup, revision uint64) (uint64, error) {
	g.V = job.Version
	body, err := job.Encode(g)
	if err != nil {
		return 0, err
	}
	return s.store.Swap(ctx, key, body, revision)
}
