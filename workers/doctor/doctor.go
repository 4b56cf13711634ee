// Package doctor finds what is wrong with a running installation, and says which
// limit, flag or field to change to what. It is a function of a [Snapshot],
// which others gather: neither a clock nor a connection is used here.
package doctor

import (
	"time"

	"vedette/pipeline/job"
)

// Kind says what a finding is about. The set is closed, so that programs can
// choose among findings.
type Kind string

// The kinds.
const (
	// Saturated: the checks of a location need more room than there is.
	Saturated Kind = "saturated"
	// Overlap: checks of some monitors last until their next slot.
	Overlap Kind = "overlap"
	// Backlog: jobs of another queue wait long.
	Backlog Kind = "backlog"
	// RoleGone: no process does a part of the work.
	RoleGone Kind = "role_gone"
	// Silent: a process holds a lease and does not answer.
	Silent Kind = "silent"
	// PartDown: a supervised part of a process does not do its work.
	PartDown Kind = "part_down"
	// DeadLetters: there are jobs that could not be done.
	DeadLetters Kind = "dead_letters"
	// StreamFull: a stream nears a limit at which its publishers are refused.
	StreamFull Kind = "stream_full"
	// CopyBehind: a copy of a stream is away or behind.
	CopyBehind Kind = "copy_behind"
	// DiskFull: the disk of the data directory is nearly full.
	DiskFull Kind = "disk_full"
	// Blind: of some monitors nobody knows whether they are up.
	Blind Kind = "blind"
	// Clock: the clock of a worker is wrong.
	Clock Kind = "clock"
)

// At stands between a reason and a location.
const At = " at "

// Finding is something that is not as it should be.
type Finding struct {
	Kind Kind `json:"kind"`
	// Subject is what it is about, such as a location, a queue or a process.
	Subject string `json:"subject"`
	// Found is what was seen, with figures; Why is what comes of it; Advice says
	// what to change, and to what value.
	Found  string `json:"found"`
	Why    string `json:"why"`
	Advice string `json:"advice"`
}

// Snapshot is what was seen of an installation at one time. What could not be
// looked at is empty, and nothing is found in it.
type Snapshot struct {
	At time.Time
	// Roles are those that an installation needs, each in some process.
	Roles []string
	// Processes have said what they do; Silent hold a lease and have not.
	Processes []job.ProcessStatus
	Silent    []job.Process
	// Queues are those of the pools.
	Queues []Queue
	// Window is how long the results of Locations were gathered.
	Window    time.Duration
	Locations []Location
	// Clocks are those of the workers whose results were seen.
	Clocks []WorkerClock
	// Blind counts the blind monitors by why they are, which is a reason of a miss
	// or what kept checks from being made, with [At] and a location behind it where
	// monitors name one.
	Blind map[string]int
	// DeadLetters is how many nobody has dropped.
	DeadLetters uint64
	Streams     []Stream
	// Disk is that of the data directory, zero when that is elsewhere.
	Disk Disk
}

// Queue is what waits for a pool, in all processes.
type Queue struct {
	Name    string
	Waiting uint64
	// OldestAge is how long the first of them has waited; zero when nothing waits,
	// or it is not known.
	OldestAge time.Duration
}

// Location is what became of the slots of a location.
type Location struct {
	Name string
	// Checked slots have an outcome; their checks took Held all together.
	Checked int
	Held    time.Duration
	// Timeouts are those of them that ended at their deadline, after TimedOut all
	// together.
	Timeouts int
	TimedOut time.Duration
	// Missed are the slots that have none, by reason.
	Missed map[job.MissReason]int
	// Overlaps counts the slots of monitors that were missed because the last
	// check was still there.
	Overlaps map[string]int
}

// WorkerClock is by how much the clock of a worker is ahead of the server's, or
// behind it, at least; zero as far as one can see.
type WorkerClock struct {
	Worker        string
	Ahead, Behind time.Duration
}

// Stream is how full a stream is, and how its copies fare. A limit of zero is
// none.
type Stream struct {
	Name                string
	Messages, Bytes     uint64
	MaxMessages         uint64
	MaxBytes            uint64
	Behind, Unreachable []string // names of the servers that hold copies
}

// Disk is that of a directory, in bytes.
type Disk struct {
	Path       string
	Free, Size uint64
}

// Examine finds what is wrong, what concerns checks first.
func Examine(s Snapshot) []Finding {
	var all []Finding
	for _, about := range []func(Snapshot) []Finding{
		saturated, overlapping, blind, rolesGone, silent, partsDown, backlogs, deadLetters, streams, disk, clocks,
	} {
		all = append(all, about(s)...)
	}
	return all
}
