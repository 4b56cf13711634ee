package recovery

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
)

func began() time.Time { return time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC) }

func incident(id string, condition job.Condition) job.Incident {
	return job.Incident{ID: id, Condition: condition, Monitor: "web", Began: began()}
}

// notified is a log with open incidents.
func notified(sequence int, open ...job.Incident) job.NotificationLog {
	log := job.NotificationLog{V: job.Version, Monitor: "web", Sequence: sequence}
	for i := range open {
		log.Incidents = append(log.Incidents, job.Notified{Incident: open[i], NotifiedBy: "mail"})
	}
	return log
}

func TestPlan(t *testing.T) {
	t.Parallel()
	down, degraded, certificate := incident("d", job.ConditionDown), incident("g", job.ConditionDegraded), incident("c", job.ConditionCertificate)
	ended := notified(4, down)
	ended.Incidents[0].Resolution = &job.Resolution{Kind: job.EventEnded}
	isDown := job.State{V: job.Version, Monitor: "web", Health: job.Down, Since: began(), Incident: &down, Sequence: 3}
	event := job.Event{ID: "d-began", Sequence: 3, Kind: job.EventBegan, At: began(), Incident: down}
	old := job.Event{ID: "x-ended", Sequence: 2, Kind: job.EventEnded, Incident: incident("x", job.ConditionDown)}
	withEvents := isDown
	withEvents.Events = []job.Event{old}
	for name, test := range map[string]struct {
		state    *job.State
		logs     []job.NotificationLog
		removed  bool
		logsLost bool
		want     []job.State
	}{
		"state and log agree":              {state: &isDown, logs: []job.NotificationLog{notified(3, down)}},
		"state is newer":                   {state: &isDown, logs: []job.NotificationLog{notified(2)}},
		"state is missing":                 {logs: []job.NotificationLog{notified(3, down, certificate)}, want: []job.State{isDown}},
		"state of a removed monitor":       {logs: []job.NotificationLog{notified(3, down)}, removed: true},
		"state is missing, nothing open":   {logs: []job.NotificationLog{ended}, want: []job.State{{V: job.Version, Monitor: "web", Health: job.Pending, Sequence: 4}}},
		"state is older than the incident": {state: &job.State{Monitor: "web", Health: job.Up, Failures: 1, Sequence: 2}, logs: []job.NotificationLog{notified(3, down)}, want: []job.State{isDown}},
		"state is older than the end":      {state: &isDown, logs: []job.NotificationLog{ended}, want: []job.State{{V: job.Version, Monitor: "web", Health: job.Pending, Since: began(), Sequence: 4}}},
		"newest log counts": {
			logs: []job.NotificationLog{notified(2, down), notified(3, degraded)},
			want: []job.State{{V: job.Version, Monitor: "web", Health: job.Pending, Degraded: &degraded, Sequence: 3}},
		},
		"log is missing, none lost": {state: &withEvents},
		"log was lost": {
			state: &withEvents, logsLost: true,
			want: []job.State{{V: job.Version, Monitor: "web", Health: job.Down, Since: began(), Incident: &down, Sequence: 3, Events: []job.Event{event}}},
		},
	} {
		w := world{states: map[string]job.State{}, logs: map[string][]job.NotificationLog{}, defined: map[string]bool{"web": !test.removed}, logsLost: test.logsLost}
		if test.state != nil {
			w.states["web"] = *test.state
		}
		if test.logs != nil {
			w.logs["web"] = test.logs
		}
		if diff := cmp.Diff(test.want, plan(w)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
