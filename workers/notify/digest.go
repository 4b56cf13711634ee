package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

const (
	// digestWait is how long the first notice waits for others that come of the
	// same cause, digestInterval how long after a mail the next one may follow.
	digestWait     = 10 * time.Second
	digestInterval = 5 * time.Minute
	// maxRecent is how many ids a digest remembers.
	maxRecent = 200
)

// Collect adds a notice to what the operators have yet to be told, and decides
// when they are: soon after the first notice, but not more often than every
// five minutes. It reports whether it was new; one that was told or collected
// before changes nothing. It is a pure function.
func Collect(d job.Digest, n job.Notice, now time.Time) (job.Digest, bool) {
	if slices.Contains(d.Recent, n.ID) {
		return d, false
	}
	d.V = job.Version
	d.Recent = append(slices.Clone(d.Recent), n.ID)
	d.Recent = d.Recent[max(0, len(d.Recent)-maxRecent):]
	if len(d.Pending) < job.MaxPending {
		d.Pending = append(slices.Clone(d.Pending), n)
	} else {
		d.More++
	}
	if d.Due.IsZero() {
		d.Due = later(now.Add(digestWait), d.Sent.Add(digestInterval)).UTC().Truncate(time.Second)
	}
	return d, true
}

// Mailed takes out of a digest what was mailed. What has come meanwhile stays,
// and is due at its own time.
func Mailed(d, mailed job.Digest) job.Digest {
	d.Sent, d.Due = mailed.Due, time.Time{}
	d.More -= mailed.More
	d.Pending = slices.DeleteFunc(slices.Clone(d.Pending), func(n job.Notice) bool {
		return slices.ContainsFunc(mailed.Pending, func(m job.Notice) bool { return m.ID == n.ID })
	})
	if len(d.Pending)+d.More > 0 {
		d.Due = d.Sent.Add(digestInterval)
	}
	return d
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// DigestMail writes the mail of a digest to one address. Its id is that of the
// time at which it is due, so that it is one mail however often it is derived.
func DigestMail(d job.Digest, address string) job.Mail {
	return job.Mail{
		V: job.Version, ID: job.DeriveID("operators", d.Due.UTC().Format(time.RFC3339), strings.ToLower(address)),
		To: address, Subject: digestSubject(d), Text: digestText(d), Thread: "operators", List: "operators", Date: d.Due.UTC(),
	}
}

func digestSubject(d job.Digest) string {
	if len(d.Pending) == 1 && d.More == 0 {
		return subject("VEDETTE", kindWords(d.Pending[0].Kind, 1), plain(d.Pending[0].Summary))
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

// kindWords names what a kind of notice tells of, one of them or more.
func kindWords(kind job.NoticeKind, n int) string {
	one := strings.ReplaceAll(string(kind), "_", " ")
	more := one // that of a newer version, by whoever wrote it
	switch kind {
	case job.NoticeParked:
		one, more = "part parked", "parts parked"
	case job.NoticeProcessGone:
		one, more = "process gone", "processes gone"
	case job.NoticeScheduleGap:
		more = "gaps"
	case job.NoticeRelaysDown:
		one = "relay"
	case job.NoticeStageGone:
		one, more = "role gone", "roles gone"
	case job.NoticeNewer:
		one, more = "message of a newer version", "messages of a newer version"
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

// digestText tells each notice in a paragraph of its own, and what a person can
// do about its kind once.
func digestText(d job.Digest) string {
	var b strings.Builder
	var kinds []job.NoticeKind
	b.WriteString("Vedette itself needs a look.\n")
	for _, n := range d.Pending {
		fmt.Fprintf(&b, "\n%s  %s\n  %s\n  noticed by %s\n", moment(n.At, time.UTC), strings.ToUpper(kindWords(n.Kind, 1)), plain(n.Summary), plain(n.Source))
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

// maxDetail bounds what a mail shows of a detail; the log and the stream have
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

func remedy(kind job.NoticeKind) string {
	switch kind {
	case job.NoticeDead:
		return "To look at dead letters:  vedette dead list\nTo have them done again:  vedette dead replay ID..."
	case job.NoticeStuckJob:
		return "The job is tried again elsewhere. The stack shows where its handler hangs: please report it."
	case job.NoticeStranded:
		return "Somebody changed a consumer or settled a job by hand. 'vedette run' sets consumers right when it starts."
	case job.NoticePanic:
		return "A bug of Vedette's, please report it with the stack. A check that panics makes nothing down; a part that panics is started again."
	case job.NoticeParked:
		return "To see what each part does:  vedette ps --tree\nWhat the part would do waits in its queue, or is done by other processes."
	case job.NoticeStuckChild:
		return "The stack shows where it hangs: please report it. Starting the process again gets rid of it."
	case job.NoticeProcessGone:
		return "To see what runs:  vedette ps\nIts jobs were given to others, if there are any."
	case job.NoticeRelaysDown:
		return "Mails wait in their queue, and no attempt at them is lost. The log of the process says why."
	case job.NoticeScheduleGap:
		return "The slots of that time are recorded as missed. Checks go on since."
	case job.NoticeStageGone:
		return "To see what runs:  vedette ps\nTo start a process with all roles:  vedette run, without --stages"
	case job.NoticeNewer:
		return "It waits for a newer process, and nothing is lost. To see which run:  vedette ps --tree\nWhat was ordered and has waited for a minute:  vedette dead list --reason unsupported"
	case job.NoticeSaturated:
		return "To see what else is wrong:  vedette doctor\nUntil there is room each monitor misses some of its slots, and none is down for that."
	case job.NoticeGaveUp:
		return "The process ended with exit code 3; whoever keeps it running starts it again. Its log says more."
	default:
		return "See the log of the process that noticed."
	}
}

// DeadLetterNotice is the notice of a dead letter, which the subject identifies.
func DeadLetterNotice(subject, stage, what string, reason job.Reason, err, worker string, died time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("dead", subject), Kind: job.NoticeDead, At: died.UTC(), Source: worker,
		Summary: fmt.Sprintf("stage %s gave up on %s (%s): %s", stage, what, reason, err),
	}
}
