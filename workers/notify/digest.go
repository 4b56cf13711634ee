package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

const (
	// digestWait is how long the first notice waits for others with the same
	// cause, digestInterval the time between mails.
	digestWait     = 10 * time.Second
	digestInterval = 5 * time.Minute
	// urgentInterval is the time after a mail until the next one with an urgent
	// notice.
	urgentInterval = time.Minute
	// maxRecent is how many notice ids a digest remembers.
	maxRecent = 200
)

// Collect adds a notice to the digest for the operators and decides when it is
// due: soon after the first notice, but at most every five minutes, or every
// minute if a notice is urgent. It reports whether the notice was new. It is a
// pure function.
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
	setDigestBack(&d, now)
	due := later(now.Add(digestWait), d.Sent.Add(interval(n))).UTC().Truncate(time.Second)
	if d.Due.IsZero() || due.Before(d.Due) {
		d.Due = due
	}
	return d, true
}

// interval returns the time between the last mail and one with a notice. Urgent
// notices say that monitors may not be watched, or alerts not sent.
func interval(n job.Notice) time.Duration {
	switch n.Kind {
	case job.NoticeFault, job.NoticeFaultEnded, job.NoticeProcessGone, job.NoticeStageGone, job.NoticeGaveUp:
		return urgentInterval
	default:
		return digestInterval
	}
}

// Mailed removes from a digest what was mailed. Notices that came in the meantime
// stay, and are due at their own time.
func Mailed(d, mailed job.Digest) job.Digest {
	d.Sent, d.Due = mailed.Due, time.Time{}
	d.More -= mailed.More
	d.Pending = slices.DeleteFunc(slices.Clone(d.Pending), func(n job.Notice) bool {
		return slices.ContainsFunc(mailed.Pending, func(m job.Notice) bool { return m.ID == n.ID })
	})
	if d.More > 0 { // of unknown kinds
		d.Due = d.Sent.Add(urgentInterval)
	}
	for _, n := range d.Pending {
		if due := d.Sent.Add(interval(n)); d.Due.IsZero() || due.Before(d.Due) {
			d.Due = due
		}
	}
	return d
}

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
		return formatSubject("VEDETTE", textFor(d.Pending[0].Kind).one, plain(d.Pending[0].Summary))
	}
	kinds, counts := countBy(d.Pending, func(n *job.Notice) (job.NoticeKind, int) { return n.Kind, 1 })
	var parts []string
	for _, kind := range kinds {
		name := textFor(kind).more
		if counts[kind] == 1 {
			name = textFor(kind).one
		}
		parts = append(parts, fmt.Sprintf("%d %s", counts[kind], name))
	}
	if d.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more", d.More))
	}
	return "[VEDETTE] " + strings.Join(parts, ", ")
}

// countBy sums the numbers by key, and returns the keys in the order in which
// they occur.
func countBy[T any, K comparable](all []T, by func(*T) (K, int)) (keys []K, counts map[K]int) {
	counts = map[K]int{}
	for i := range all {
		key, n := by(&all[i])
		if _, known := counts[key]; !known {
			keys = append(keys, key)
		}
		counts[key] += n
	}
	return keys, counts
}

// digestText has a paragraph for each notice, and once for each kind what to do
// about it.
func digestText(d job.Digest) string {
	var b strings.Builder
	b.WriteString("Vedette itself needs attention.\n")
	for _, n := range d.Pending {
		fmt.Fprintf(&b, "\n%s  %s\n  %s\n  reported by %s\n", clock(n.At, time.UTC), strings.ToUpper(textFor(n.Kind).one), plain(n.Summary), plain(n.Source))
		if n.Detail != "" {
			fmt.Fprintf(&b, "\n%s\n", indent(n.Detail))
		}
	}
	if d.More > 0 {
		fmt.Fprintf(&b, "\n… and %d more.\n", d.More)
	}
	kinds, _ := countBy(d.Pending, func(n *job.Notice) (job.NoticeKind, int) { return n.Kind, 1 })
	for _, kind := range kinds {
		fmt.Fprintf(&b, "\n%s\n", textFor(kind).remedy)
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

// noticeText presents a kind of notice: its name in the singular and plural, and
// what a person can do about it.
type noticeText struct{ one, more, remedy string }

func textFor(kind job.NoticeKind) noticeText {
	text, known := map[job.NoticeKind]noticeText{
		job.NoticeDead:        {"dead letter", "dead letters", "To see dead letters:  vedette dead list\nTo run them again:  vedette dead replay ID..."},
		job.NoticeStuckJob:    {"stuck job", "stuck jobs", "Another process tries the job again. The stack shows where its handler hangs: please report it."},
		job.NoticeStranded:    {"stranded job", "stranded jobs", "Someone changed a consumer or settled a job by hand. 'vedette run' corrects consumers when it starts."},
		job.NoticePanic:       {"panic", "panics", "This is a bug in Vedette: please report it with the stack. A check that panics makes no monitor down; a child that panics is restarted."},
		job.NoticeParked:      {"child parked", "children parked", "To see what each child does:  vedette ps --tree\nIts jobs wait in their queue, or other processes do them."},
		job.NoticeStuckChild:  {"stuck child", "stuck children", "The stack shows where it hangs: please report it. Restart the process to end it."},
		job.NoticeProcessGone: {"process gone", "processes gone", "To see the processes:  vedette ps\nIf there are other processes, they do its jobs."},
		job.NoticeRelaysDown:  {"relays down", "relays down", "Mails wait in their queue, and no attempt is counted. The process's log shows the cause."},
		job.NoticeScheduleGap: {"schedule gap", "schedule gaps", "The slots in that time are recorded as missed. Checks continue now."},
		job.NoticeStageGone:   {"stage gone", "stages gone", "To see the processes:  vedette ps\nTo start a process with all stages:  vedette run, without --stages"},
		job.NoticeNewer:       {"message from a newer version", "messages from a newer version", "It waits for a newer process, and nothing is lost. To see the versions:  vedette ps --tree\nJobs that waited longer than a minute:  vedette dead list --reason unsupported"},
		job.NoticeSaturated:   {"location saturated", "locations saturated", "To see the cause:  vedette doctor\nUntil there is room, each monitor misses some slots. No monitor is down for that reason."},
		job.NoticeGaveUp:      {"process gave up", "processes gave up", "The process ended with an error, so that it is started again by its service manager. Its log shows the cause."},
		job.NoticeFault:       {"fault", "faults", "To see the effect and what to do:  vedette doctor"},
		job.NoticeFaultEnded:  {"fault ended", "faults ended", "Nothing is to be done. To see what is left:  vedette doctor"},
	}[kind]
	if !known { // from a newer version
		name := strings.ReplaceAll(string(kind), "_", " ")
		text = noticeText{name, name, "See the log of the process that reported it."}
	}
	return text
}
