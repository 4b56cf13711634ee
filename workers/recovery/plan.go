// Package recovery makes the monitors' states and the notification log agree
// again after a damaged file or a power cut took a part. The log ignores events
// whose sequence it has seen, so a state that went back would be silent until its
// sequence catches up; and an incident without a state would never get its end.
package recovery

import (
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// world is what is stored.
type world struct {
	states map[string]job.State
	logs   map[string][]job.NotificationLog // by monitor
	// defined has the monitors without a state that are defined.
	defined map[string]bool
	// logsLost reports that notification logs may be missing.
	logsLost bool
}

// plan returns the states to write.
func plan(w world) []job.State {
	var changed []job.State
	for monitor, logs := range w.logs {
		state, ok := w.states[monitor]
		if !ok && !w.defined[monitor] {
			continue // the monitor was removed
		}
		if sequence := newest(logs); state.Sequence < sequence {
			changed = append(changed, fromLogs(state, monitor, logs, sequence))
		}
	}
	if w.logsLost {
		for monitor, state := range w.states {
			if len(w.logs[monitor]) == 0 && len(state.Events) > 0 {
				changed = append(changed, announced(state))
			}
		}
	}
	slices.SortFunc(changed, func(a, b job.State) int { return strings.Compare(a.Monitor, b.Monitor) })
	return changed
}

// newest returns the sequence of the newest event that any log has.
func newest(logs []job.NotificationLog) int {
	sequence := 0
	for i := range logs {
		sequence = max(sequence, logs[i].Sequence)
	}
	return sequence
}

// fromLogs brings a state that is older than the logs, or missing, up to them: the
// incidents that are open in a log are open, the others are over. So the next
// result continues an open incident, or ends it.
func fromLogs(state job.State, monitor string, logs []job.NotificationLog, sequence int) job.State {
	state.V, state.Monitor, state.Sequence = job.Version, monitor, sequence
	if state.Health == "" {
		state.Health = job.Pending
	}
	open := map[job.Condition]*job.Incident{}
	for i := range logs {
		for j := range logs[i].Incidents {
			known := &logs[i].Incidents[j]
			if known.Resolution == nil && logs[i].Sequence == sequence && !known.Incident.OfOneLocation() {
				open[known.Incident.Condition] = &known.Incident
			}
		}
	}
	state.Incident, state.Degraded = open[job.ConditionDown], open[job.ConditionDegraded]
	state.Flapping, state.NoData = open[job.ConditionFlapping], open[job.ConditionNoData]
	state.Failures, state.Successes = 0, 0
	switch {
	case state.Incident != nil:
		state.Health, state.Since = job.Down, state.Incident.Began
	case state.Health == job.Down:
		state.Health = job.Pending
	}
	return state
}

// announced returns a state whose only events are beginnings: those for open
// incidents. Its write notifies the addresses that lost their log, and about
// nothing that is over.
func announced(state job.State) job.State {
	state.Events = nil
	for _, incident := range state.Open() {
		state.Events = append(state.Events, job.Event{
			ID: job.EventID(incident.ID, job.EventBegan), Sequence: state.Sequence, Kind: job.EventBegan, At: incident.Began, Incident: *incident,
		})
	}
	return state
}
