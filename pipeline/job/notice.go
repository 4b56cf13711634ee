package job

import "time"

// NoticeKind is a kind of [Notice]. The set is closed, so that people can
// filter by it.
type NoticeKind string

// The kinds.
const (
	// NoticeDead: a job became a dead letter.
	NoticeDead NoticeKind = "dead_letter"
	// NoticeStuckJob: a handler ignored the end of its context, and its job was
	// taken from it.
	NoticeStuckJob NoticeKind = "stuck_job"
	// NoticeStranded: the server gave up on a job, because somebody changed
	// its consumer by hand.
	NoticeStranded NoticeKind = "stranded_job"
	// NoticePanic: a handler or a part of a process panicked, or ended its
	// goroutine.
	NoticePanic NoticeKind = "panic"
	// NoticeParked: a part of a process failed so often that it is left alone
	// for a while.
	NoticeParked NoticeKind = "parked"
	// NoticeStuckChild: a part of a process did not stop when it was told to.
	NoticeStuckChild NoticeKind = "stuck_child"
	// NoticeProcessGone: a process of the installation has fallen silent
	// without a word.
	NoticeProcessGone NoticeKind = "process_gone"
	// NoticeRelaysDown: a process can send no mails, or can again.
	NoticeRelaysDown NoticeKind = "relays_down"
	// NoticeScheduleGap: nothing was scheduled for a while.
	NoticeScheduleGap NoticeKind = "schedule_gap"
	// NoticeStageGone: no process lives that does a part of the work.
	NoticeStageGone NoticeKind = "stage_gone"
	// NoticeNewer: a process has met something of a newer version, and left it to
	// newer processes.
	NoticeNewer NoticeKind = "newer_version"
	// NoticeSaturated: the checks of a location need more room than there is.
	NoticeSaturated NoticeKind = "saturated"
	// NoticeGaveUp: a process ended, since a part of it failed so often.
	NoticeGaveUp NoticeKind = "gave_up"
)

// Notice is something that the operators of the installation should know of
// the installation itself. It is stored, and mailed to them together with
// others of the same minutes.
type Notice struct {
	V int `json:"v"`
	// ID is a function of what happened: the same thing told twice is one notice.
	ID   string     `json:"id"`
	Kind NoticeKind `json:"kind"`
	At   time.Time  `json:"at"`
	// Source is the process that noticed.
	Source string `json:"source"`
	// Summary is one line for people, Detail whatever helps, such as a stack.
	Summary string `json:"summary"`
	Detail  string `json:"detail,omitempty"`
}

// Digest is what the operators have yet to be told, and when they last were.
type Digest struct {
	V int `json:"v"`
	// Pending are the notices that wait, oldest first, at most [MaxPending];
	// More counts those beyond.
	Pending []Notice `json:"pending,omitempty"`
	More    int      `json:"more,omitempty"`
	// Due is when they are mailed, zero while none waits. Sent is when the last
	// mail was due.
	Due  time.Time `json:"due,omitzero"`
	Sent time.Time `json:"sent,omitzero"`
	// Recent are the ids of the last notices, so that one that comes twice
	// counts once.
	Recent []string `json:"recent,omitempty"`
}

// MaxPending is how many notices a [Digest] tells in full.
const MaxPending = 20

// PanicNotice is the notice of a panic. where is what panicked, such as a stage
// or a probe, at what it worked on, and message what it said. The same panic of
// the same part is one notice an hour, so that a check that panics each minute
// does not bury all else.
func PanicNotice(where, at, message string, stack []byte, now time.Time) Notice {
	const maxStack = 8 << 10
	return Notice{
		V: Version, ID: DeriveID("panic", where, message, now.UTC().Truncate(time.Hour).Format(time.RFC3339)), Kind: NoticePanic, At: now.UTC(),
		Summary: where + ", at " + at + ": " + message,
		Detail:  string(stack[:min(len(stack), maxStack)]),
	}
}
