package doctor

import (
	"fmt"
	"slices"

	"vedette/pipeline/job"
)

// noResults finds that nothing is checked at all.
func noResults(s Snapshot) []Finding {
	if s.Unchecked == 0 {
		return nil
	}
	advice := "'vedette ps --tree' shows whether the stages schedule and check run, and whether their children do; see the log of the processes"
	if slices.ContainsFunc(s.Processes, hasFault) {
		advice = "mend what the processes lack: see the other findings"
	}
	return []Finding{{
		Kind: NoResults, Subject: "checks",
		Found:  fmt.Sprintf("no check in the last %s has a result, though %s should have one", rounded(s.Window), plural(s.Unchecked, "monitor")),
		Why:    "nothing is watched: no failure of a monitor is noticed",
		Advice: advice,
	}}
}

func hasFault(p job.ProcessStatus) bool {
	return slices.ContainsFunc(p.Conditions, func(c job.ProcessCondition) bool { return !c.OK })
}

// unread finds that the snapshot is not whole.
func unread(s Snapshot) []Finding {
	if s.Unread == nil {
		return nil
	}
	return []Finding{{
		Kind: Unread, Subject: "streams",
		Found:  fmt.Sprintf("the streams cannot be read: %v", s.Unread),
		Why:    "queues, results and dead letters were not examined, or not all of them",
		Advice: "see the other findings, and the log of the process or server that has the streams; then repeat 'vedette doctor'",
	}}
}
