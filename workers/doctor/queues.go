package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// maxQueueAge is how long a job may wait without a finding.
const maxQueueAge = 30 * time.Second

// backlogs finds queues whose jobs wait for long, except scheduled checks.
func backlogs(s Snapshot) []Finding {
	var found []Finding
	for _, q := range s.Queues {
		if strings.HasPrefix(q.Name, checkQueue("")) || q.Waiting == 0 || q.OldestAge < maxQueueAge {
			continue
		}
		if stage, _ := stageFor(q.Name); stage == "mail" && s.mailFails() {
			continue // that finding says why
		}
		running, limit, processes := s.poolSlots(q.Name)
		found = append(found, Finding{
			Kind: Backlog, Subject: q.Name,
			Found:  fmt.Sprintf("queue %s: %d of %d slots busy, %d waiting, oldest %s", q.Name, running, limit, q.Waiting, rounded(q.OldestAge)),
			Why:    "waiting jobs are late, and publishers are refused once the stream is full",
			Advice: backlogAdvice(q.Name, running, limit, processes),
		})
	}
	return found
}

// mailFails reports whether mails cannot leave a process.
func (s *Snapshot) mailFails() bool {
	return slices.ContainsFunc(s.Processes, func(p job.ProcessStatus) bool {
		return slices.ContainsFunc(p.Conditions, func(c job.ProcessCondition) bool {
			return c.Name == job.ProcessMail && !c.OK && !c.Reason.Lesser()
		})
	})
}

func backlogAdvice(queue string, running, limit, processes int) string {
	stage, field := stageFor(queue)
	switch {
	case processes == 0:
		return startStage(stage)
	case running < limit && stage == "mail":
		return "no relay is reachable, or per_minute or recipient_per_minute delays the mails: see 'vedette mail test FILE' and the logs"
	case running < limit:
		return "there are free slots, but they are not used: 'vedette ps --tree' shows whether that child is running"
	case field == "":
		return fmt.Sprintf("start another 'vedette worker --stages %s'", stage)
	default:
		return fmt.Sprintf("raise workers.%s from %d to %d, or start another 'vedette worker --stages %s'", field, limit/processes, 2*limit/processes, stage)
	}
}

// stageFor returns the stage that serves a queue, and its limit in the section
// workers, or "" if there is none.
func stageFor(queue string) (stage, field string) {
	switch {
	case strings.HasPrefix(queue, "adhoc-"):
		return "check", "adhoc"
	case strings.HasPrefix(queue, "call-check-"):
		return "check", "calls"
	case strings.HasPrefix(queue, "mail-"), queue == "call-mail":
		return "mail", "mails"
	case queue == "evaluate":
		return "evaluate", "evaluations"
	case queue == "scheduler":
		return "schedule", ""
	default:
		stage, _, _ = strings.Cut(queue, "-") // as in notify-flush
		return stage, ""
	}
}

// strandedJobs finds queues with jobs that no consumer will deliver.
func strandedJobs(s Snapshot) []Finding {
	var found []Finding
	for _, queue := range slices.Sorted(maps.Keys(s.Stranded)) {
		jobs := s.Stranded[queue]
		names := strings.Join(jobs[:min(maxNames, len(jobs))], ", ")
		if more := len(jobs) - maxNames; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		found = append(found, Finding{
			Kind: Stranded, Subject: queue,
			Found:  fmt.Sprintf("the server holds %s for queue %s that it will not deliver: %s", plural(len(jobs), "job"), queue, names),
			Why:    "these monitors are not checked, and these mails do not leave: their place in the stream is taken",
			Advice: "a process with the stage maintain repairs them within half a minute; if they stay, start one, and check the server's disk and log",
		})
	}
	return found
}

func deadLetters(s Snapshot) []Finding {
	if s.DeadLetters == 0 {
		return nil
	}
	return []Finding{{
		Kind: DeadLetters, Subject: "dead letters",
		Found:  plural(int(s.DeadLetters), "job") + " failed for good", //nolint:gosec // limited by the stream
		Why:    "dead letters stay undone until they are replayed",
		Advice: "'vedette dead list' shows them with their causes; then use 'vedette dead replay' or 'vedette dead drop'",
	}}
}
