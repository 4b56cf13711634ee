package job

import "time"

// NoticeKind is the kind of a [Notice]. The set is closed, so that people can
// filter by it.
type NoticeKind string

// The kinds.
const (
	NoticeDead        NoticeKind = "dead_letter"   // a job became a dead letter
	NoticeStuckJob    NoticeKind = "stuck_job"     // a handler ignored the end of its context and lost its job
	NoticeStranded    NoticeKind = "stranded_job"  // the server gave up on a job after a manual change to the consumer
	NoticePanic       NoticeKind = "panic"         // a handler or a child panicked, or ended its goroutine
	NoticeParked      NoticeKind = "parked"        // a child failed too often and pauses
	NoticeStuckChild  NoticeKind = "stuck_child"   // a child did not stop in time
	NoticeProcessGone NoticeKind = "process_gone"  // a process stopped renewing its lease
	NoticeRelaysDown  NoticeKind = "relays_down"   // a process cannot send mail, or can again; reported as a fault today
	NoticeScheduleGap NoticeKind = "schedule_gap"  // no check was scheduled for a while
	NoticeStageGone   NoticeKind = "stage_gone"    // no process runs a stage
	NoticeNewer       NoticeKind = "newer_version" // a process left a message to newer processes
	NoticeSaturated   NoticeKind = "saturated"     // the checks at a location need more slots than there are
	NoticeGaveUp      NoticeKind = "gave_up"       // a process ended because a child failed too often
	NoticeFault       NoticeKind = "fault"         // a process lacks something that it needs for its work
	NoticeFaultEnded  NoticeKind = "fault_ended"   // it has that again
)

// Notice is a problem of the installation itself. Notices are stored, and mailed
// to the operators in digests.
type Notice struct {
	V int `json:"v"`
	// ID is derived from the event, so that a repeated report is one notice.
	ID   string     `json:"id"`
	Kind NoticeKind `json:"kind"`
	At   time.Time  `json:"at"`
	// Source is the process that reports.
	Source string `json:"source"`
	// Summary is one line for people; Detail is more, such as a stack.
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
}

// Digest holds the notices that wait for the next mail to the operators.
type Digest struct {
	V int `json:"v"`
	// Pending are the waiting notices, oldest first, at most [MaxPending]; More
	// counts the rest.
	Pending []Notice `json:"pending,omitempty"`
	More    int      `json:"more,omitempty"`
	// Due is when the next mail leaves, zero while no notice waits. Sent is the
	// due time of the last mail.
	Due  time.Time `json:"due,omitzero"`
	Sent time.Time `json:"sent,omitzero"`
	// Recent are the latest notice ids, which detect repeated reports.
	Recent []string `json:"recent,omitempty"`
}

// MaxPending is how many notices a [Digest] contains in full.
const MaxPending = 20

// Panic is a panic in a part of the program, such as a stage or a probe, at an
// input.
type Panic struct{ Part, Input, Message, Stack string }

// Notice returns the notice for the panic. The same panic in the same part gives
// one notice an hour, so that a check that panics each minute does not hide other
// notices.
func (p Panic) Notice(now time.Time) Notice {
	const maxStack = 8 << 10
	return Notice{
		V: Version, ID: DeriveID("panic", p.Part, p.Message, now.UTC().Truncate(time.Hour).Format(time.RFC3339)), Kind: NoticePanic, At: now.UTC(),
		Summary: p.Part + ", at " + p.Input + ": " + p.Message, Detail: p.Stack[:min(len(p.Stack), maxStack)],
	}
}
