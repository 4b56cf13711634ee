package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vedette/pipeline/job"
)

// blind finds monitors of which nobody knows whether they are up, by reason.
func blind(s Snapshot) []Finding {
	var found []Finding
	for _, reason := range slices.Sorted(maps.Keys(s.Blind)) {
		found = append(found, Finding{
			Kind: Blind, Subject: reason,
			Found:  fmt.Sprintf("%s blind: %s", are(s.Blind[reason], "monitor"), reason),
			Why:    "nobody knows whether they are up, and nobody but the operators is told",
			Advice: cure(reason),
		})
	}
	return found
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return count(n, what) + " are"
}

// cure is what helps against a reason for which monitors are blind.
func cure(reason string) string {
	word, location, _ := strings.Cut(reason, At)
	switch job.MissReason(word) {
	case job.MissNoWorker:
		return "start a 'vedette worker" + at(location) + "'"
	case job.MissExpired, job.MissShed:
		return "give checks more room: raise workers.checks, or start another 'vedette worker" + at(location) + "'"
	case job.MissOverlap:
		return "lower their timeout, or lengthen their interval; where workers have no room, raise workers.checks"
	case job.MissLate:
		return "start another process with the role schedule, or look why the one there is is slow: 'vedette ps'"
	case job.MissBrokerDown:
		return "look why the NATS server was away; with --replicas 3 on three nodes one may go"
	case job.MissRefused:
		return "the reason names the limit that was met; raise it on the server"
	case job.MissCheckFailed:
		return "'vedette explain MONITOR' shows why the checks fail"
	default:
		return "the reason says what kept checks from being made; 'vedette explain MONITOR' tells of each"
	}
}
