package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"vedette/pipeline/job"
)

// noData finds monitors without results, by cause.
func noData(s Snapshot) []Finding {
	var found []Finding
	causes := slices.SortedFunc(maps.Keys(s.NoData), func(a, b NoDataCause) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Location, b.Location))
	})
	for _, cause := range causes {
		verb := "have"
		if s.NoData[cause] == 1 {
			verb = "has"
		}
		found = append(found, Finding{
			Kind: NoData, Subject: cause.String(),
			Found:  fmt.Sprintf("%s %s no data: %s", plural(s.NoData[cause], "monitor"), verb, cause),
			Why:    "it is unknown whether they are up, and only operators are notified",
			Advice: cause.advice(),
		})
	}
	return found
}

// String returns the reason, with the location if there is one.
func (c NoDataCause) String() string {
	if c.Location == "" {
		return string(c.Reason)
	}
	return string(c.Reason) + " at " + c.Location
}

func (c NoDataCause) advice() string {
	switch c.Reason {
	case job.MissNoWorker:
		return "start a 'vedette worker" + locationFlag(c.Location) + "'"
	case job.MissExpired, job.MissShed:
		return "provide more slots for checks: raise workers.checks, or start another 'vedette worker" + locationFlag(c.Location) + "'"
	case job.MissOverlap:
		return "lower their timeout, or lengthen their interval; if workers have no free slots, raise workers.checks"
	case job.MissLate, job.MissNoProcess:
		return "start another process with the stage schedule, or find out why the present one is slow: 'vedette ps'"
	case job.MissBrokerDown:
		return "find out why the NATS server was down; with --replicas 3 on three nodes, one may fail"
	case job.MissRefused:
		return "'vedette explain MONITOR' shows the limit that was reached; raise it on the server"
	case job.MissLost:
		return "find out why processes are killed, or what happened to the server's storage: 'vedette explain MONITOR' shows the details"
	case job.MissCheckFailed:
		return "'vedette explain MONITOR' shows why the checks fail"
	default:
		return "'vedette explain MONITOR' shows the details for each monitor"
	}
}
