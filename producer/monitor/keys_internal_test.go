package monitor

import (
	"strconv"
	"strings"
	"testing"

	"vedette/pipeline/job"
)

// The other defaults are compared by reading them: see
// TestDefaultsOfTheReferenceAreThoseOfTheReader.
func TestDefaultsOfTheReferenceAreTheConstants(t *testing.T) {
	t.Parallel()
	grouping, flapping := job.DefaultGrouping(), job.DefaultFlapping()
	want := map[string]string{
		"notifications.group_wait":      formatDuration(grouping.GroupWait.Std()),
		"notifications.group_interval":  formatDuration(grouping.GroupInterval.Std()),
		"notifications.repeat_interval": formatDuration(grouping.RepeatInterval.Std()),
		"notifications.max_listed":      strconv.Itoa(grouping.MaxListed),
		"defaults.flapping.enter":       strconv.Itoa(flapping.Enter),
		"defaults.flapping.leave":       strconv.Itoa(flapping.Leave),
		"mail.give_up_after":            formatDuration(maxGiveUp),
		"mail.relays[].tls":             string(TLSStart),
	}
	for _, key := range Keys() {
		if standard, ok := want[key.Path]; ok && key.Default != standard {
			t.Errorf("%s: got the default %s, want %s", key.Path, key.Default, standard)
		}
		if key.Path == "mail.relays[].auth" && !strings.HasSuffix(key.Meaning, strings.Join(authMechanisms(), ", ")) {
			t.Errorf("%s: got %q, want all mechanisms", key.Path, key.Meaning)
		}
		delete(want, key.Path)
	}
	if len(want) > 0 {
		t.Errorf("got no keys for %v", want)
	}
}
