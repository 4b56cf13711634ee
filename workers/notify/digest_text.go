package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// DigestMail writes a digest's mail to one address. Its id is derived from the
// time at which it is due, so that every process writes the same mail.
func DigestMail(d job.Digest, address string) job.Mail {
	return job.Mail{
		V: job.Version, ID: job.DeriveID("operators", d.Due.UTC().Format(time.RFC3339), strings.ToLower(address)),
		To: address, Subject: digestSubject(d), Text: digestText(d), Thread: "operators", List: "operators", Date: d.Due.UTC(),
	}
}

func digestSubject(d job.Digest) string {
	if len(d.Pending) == 1 && d.More == 0 {
		return formatSubject("VEDETTE", kindWords(d.Pending[0].Kind, 1), plain(d.Pending[0].Summary))
	}
	counts := map[job.NoticeKind]int{}
	var kinds []job.NoticeKind
	for _, n := range d.Pending {
		if counts[n.Kind] == 0 {
			kinds = append(kinds, n.Kind)
		}
		counts[n.Kind]++
	}
	parts := make([]string, len(kinds))
	for i, kind := range kinds {
		parts[i] = fmt.Sprintf("%d %s", counts[kind], kindWords(kind, counts[kind]))
	}
	if d.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more", d.More))
	}
	return "[VEDETTE] " + strings.Join(parts, ", ")
}

// kindWords names a kind of notice in the singular or plural.
func kindWords(kind job.NoticeKind, n int) string {
	one := strings.ReplaceAll(string(kind), "_", " ")
	more := one // a kind from a newer version
	switch kind {
	case job.NoticeParked:
		one, more = "child parked", "children parked"
	case job.NoticeProcessGone:
		one, more = "process gone", "processes gone"
	case job.NoticeScheduleGap:
		more = "schedule gaps"
	case job.NoticeRelaysDown:
		one, more = "relays down", "relays down"
	case job.NoticeStageGone:
		one, more = "stage gone", "stages gone"
	case job.NoticeNewer:
		one, more = "message from a newer version", "messages from a newer version"
	case job.NoticeSaturated:
		one, more = "location saturated", "locations saturated"
	case job.NoticeGaveUp:
		one, more = "process gave up", "processes gave up"
	case job.NoticeDead, job.NoticeStuckJob, job.NoticeStranded, job.NoticePanic, job.NoticeStuckChild:
		more = one + "s"
	default:
	}
	if n == 1 {
		return one
	}
	return more
}

// digestText has a paragraph for each notice, and once for each kind what to do
// about it.
func digestText(d job.Digest) string {
	var b strings.Builder
	var kinds []job.NoticeKind
	b.WriteString("Vedette itself needs attention.\n")
	for _, n := range d.Pending {
		fmt.Fprintf(&b, "\n%s  %s\n  %s\n  reported by %s\n", clock(n.At, time.UTC), strings.ToUpper(kindWords(n.Kind, 1)), plain(n.Summary), plain(n.Source))
		if n.Detail != "" {
			fmt.Fprintf(&b, "\n%s\n", indent(n.Detail))
		}
		if !slices.Contains(kinds, n.Kind) {
			kinds = append(kinds, n.Kind)
		}
	}
	if d.More > 0 {
		fmt.Fprintf(&b, "\n… and %d more.\n", d.More)
	}
	for _, kind := range kinds {
		fmt.Fprintf(&b, "\n%s\n", remedy(kind))
	}
	return b.String()
}

// maxDetail limits the lines of a detail in a mail; the log and the stream have
// the rest.
const maxDetail = 30

func indent(detail string) string {
	lines := strings.Split(strings.TrimSpace(detail), "\n")
	if len(lines) > maxDetail {
		lines = append(lines[:maxDetail], "…")
	}
	for i, line := range lines {
		margin := "    "
		if strings.HasPrefix(line, "\t") {
			margin += "    "
		}
		lines[i] = margin + plain(line)
	}
	return strings.Join(lines, "\n")
}

// remedy is what a person can do about a kind of notice.
func remedy(kind job.NoticeKind) string {
	return cmp.Or(map[job.NoticeKind]string{
		job.NoticeDead:        "To see dead letters:  vedette dead list\nTo run them again:  vedette dead replay ID...",
		job.NoticeStuckJob:    "Another process tries the job again. The stack shows where its handler hangs: please report it.",
		job.NoticeStranded:    "Someone changed a consumer or settled a job by hand. 'vedette run' corrects consumers when it starts.",
		job.NoticePanic:       "This is a bug in Vedette: please report it with the stack. A check that panics makes no monitor down; a child that panics is restarted.",
		job.NoticeParked:      "To see what each child does:  vedette ps --tree\nIts jobs wait in their queue, or other processes do them.",
		job.NoticeStuckChild:  "The stack shows where it hangs: please report it. Restart the process to end it.",
		job.NoticeProcessGone: "To see the processes:  vedette ps\nIf there are other processes, they do its jobs.",
		job.NoticeRelaysDown:  "Mails wait in their queue, and no attempt is counted. The process's log shows the cause.",
		job.NoticeScheduleGap: "The slots in that time are recorded as missed. Checks continue now.",
		job.NoticeStageGone:   "To see the processes:  vedette ps\nTo start a process with all stages:  vedette run, without --stages",
		job.NoticeNewer:       "It waits for a newer process, and nothing is lost. To see the versions:  vedette ps --tree\nJobs that waited longer than a minute:  vedette dead list --reason unsupported",
		job.NoticeSaturated:   "To see the cause:  vedette doctor\nUntil there is room, each monitor misses some slots. No monitor is down for that reason.",
		job.NoticeGaveUp:      "The process ended with an error, so that it is started again by its service manager. Its log shows the cause.",
	}[kind], "See the log of the process that reported it.")
}

// DeadLetterNotice is the notice about a dead letter, identified by its subject.
func DeadLetterNotice(subject, stage, what string, reason job.Reason, err, worker string, died time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("dead", subject), Kind: job.NoticeDead, At: died.UTC(), Source: worker,
		Summary: fmt.Sprintf("stage %s gave up on %s (%s): %s", stage, what, reason, err),
	}
}
