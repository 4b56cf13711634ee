package doctor

import (
	"fmt"
	"strings"
	"time"
)

// patience is how long a job may wait before it is a finding.
const patience = 30 * time.Second

// backlogs finds queues whose jobs wait long, but for the scheduled checks.
func backlogs(s Snapshot) []Finding {
	var found []Finding
	for _, q := range s.Queues {
		if strings.HasPrefix(q.Name, checkQueue("")) || q.Waiting == 0 || q.OldestAge < patience {
			continue
		}
		running, limit, processes := s.slots(q.Name)
		found = append(found, Finding{
			Kind: Backlog, Subject: q.Name,
			Found:  fmt.Sprintf("queue %s: %d of %d slots busy, %d waiting, oldest %s", q.Name, running, limit, q.Waiting, round(q.OldestAge)),
			Why:    "what waits there is late, and when its stream is full publishers are refused",
			Advice: relief(q.Name, running, limit, processes),
		})
	}
	return found
}

// relief is what helps a queue.
func relief(queue string, running, limit, processes int) string {
	role, field := served(queue)
	switch {
	case processes == 0:
		return startRole(role)
	case running < limit && role == "mail": // it has room, and does not use it
		return "its processes can reach no relay, or keep to per_minute or recipient_per_minute: 'vedette mail test FILE' tells, and their logs"
	case running < limit:
		return "its processes have room and do not use it: 'vedette ps --tree' tells whether that part runs"
	case field == "":
		return fmt.Sprintf("start another 'vedette worker --stages %s'", role)
	default:
		return fmt.Sprintf("raise workers.%s from %d to %d, or start another 'vedette worker --stages %s'", field, limit/processes, 2*limit/processes, role)
	}
}

// served is the role that serves a queue, and the field of the section workers
// that bounds it; empty when none does.
func served(queue string) (role, field string) {
	switch {
	case strings.HasPrefix(queue, "adhoc-"):
		return "check", "requests"
	case strings.HasPrefix(queue, "call-check-"):
		return "check", "calls"
	case strings.HasPrefix(queue, "mail-"), queue == "call-mail":
		return "mail", "mails"
	case queue == "evaluate":
		return "evaluate", "evaluations"
	case queue == "scheduler":
		return "schedule", ""
	default:
		role, _, _ = strings.Cut(queue, "-") // as in notify-flush
		return role, ""
	}
}

func deadLetters(s Snapshot) []Finding {
	if s.DeadLetters == 0 {
		return nil
	}
	return []Finding{{
		Kind: DeadLetters, Subject: "dead letters",
		Found:  fmt.Sprintf("%s could not be done", count(int(s.DeadLetters), "job")), //nolint:gosec // bounded by the stream
		Why:    "nobody does them unless somebody replays them",
		Advice: "'vedette dead list' tells what and why; then 'vedette dead replay', or 'vedette dead drop'",
	}}
}
