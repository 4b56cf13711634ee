// Package doctor finds problems in a running installation, and recommends the
// limit, flag or field to change and its new value. It is a pure function of a
// [Snapshot] and uses neither a clock nor a connection.
package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/job"
)

// Kind classifies a finding. Programs can rely on these kinds.
type Kind string

// The kinds.
const (
	Saturated     Kind = "saturated"      // a location's checks need more slots than there are
	Overlap       Kind = "overlap"        // checks last until the monitor's next slot
	Backlog       Kind = "backlog"        // jobs in another queue wait for long
	StageGone     Kind = "stage_gone"     // no process runs a stage
	Silent        Kind = "silent"         // a process holds a lease and does not answer
	ChildDown     Kind = "child_down"     // a supervised child in a process is not running
	DeadLetters   Kind = "dead_letters"   // some jobs failed for good
	StreamFull    Kind = "stream_full"    // a stream is close to a limit at which publishers are refused
	ReplicaBehind Kind = "replica_behind" // a stream's replica is offline or behind
	DiskFull      Kind = "disk_full"      // the disk with the data directory is nearly full
	NoData        Kind = "no_data"        // monitors have no results
	Clock         Kind = "clock"          // a worker's clock is wrong
	Fault         Kind = "fault"          // a process lacks something that it needs for its work
	NoResults     Kind = "no_results"     // monitors were due, and none was checked
	Unread        Kind = "unread"         // a part of the installation cannot be read
	Stranded      Kind = "stranded"       // the server holds jobs that no consumer will deliver
)

// Finding is a problem.
type Finding struct {
	Kind Kind `json:"kind"`
	// Subject names the location, queue, process or other thing with the problem.
	Subject string `json:"subject"`
	// Found describes the observation with figures, Why its consequences, and
	// Advice the recommended change.
	Found  string `json:"found"`
	Why    string `json:"why"`
	Advice string `json:"advice"`
}

// Snapshot describes an installation at one time. Unknown fields are empty, and
// lead to no finding.
type Snapshot struct {
	At time.Time
	// Stages must each run in at least one process.
	Stages []string
	// Processes have answered; Silent hold a lease and have not answered.
	Processes []job.ProcessStatus
	Silent    []job.Process
	// Queues are the queues for all pools.
	Queues []Queue
	// Window is the period covered by Locations and Clocks.
	Window    time.Duration
	Locations []Location
	Clocks    []WorkerClock
	// NoData counts monitors without results by cause.
	NoData map[NoDataCause]int
	// Unchecked counts the monitors that were due in the window, if none at all has
	// a result in it.
	Unchecked int
	// Unread is why a part of this snapshot is missing.
	Unread error
	// DeadLetters counts the stored dead letters.
	DeadLetters uint64
	// Stranded has the subjects of the jobs that no consumer will deliver, by queue.
	Stranded map[string][]string
	Streams  []Stream
	// Disk is the disk with the data directory, zero for a remote one.
	Disk Disk
}

// NoDataCause is the reason for missing results, and the location if it concerns
// only one.
type NoDataCause struct {
	Reason   job.MissReason
	Location string
}

// Queue is the queue for a pool, across all processes.
type Queue struct {
	Name    string
	Waiting uint64
	// OldestAge is the age of the oldest waiting job, zero if unknown.
	OldestAge time.Duration
}

// Location is a summary of a location's slots.
type Location struct {
	Name string
	// Checked counts slots with a result, whose checks took Held in total.
	Checked int
	Held    time.Duration
	// Timeouts counts those that reached their deadline, after TimedOut in total.
	Timeouts int
	TimedOut time.Duration
	// Missed counts slots without a result by reason.
	Missed map[job.MissReason]int
	// Overlaps counts, by monitor, slots missed because the previous check was
	// still running.
	Overlaps map[string]int
}

// WorkerClock is the minimum by which a worker's clock is ahead of the server's
// or behind it, as observed.
type WorkerClock struct {
	Worker        string
	Ahead, Behind time.Duration
}

// Stream describes how full a stream is, and the state of its replicas. A zero
// limit means unlimited.
type Stream struct {
	Name                string
	Messages, Bytes     uint64
	MaxMessages         uint64
	MaxBytes            uint64
	Behind, Unreachable []string // names of servers that hold replicas
}

// Disk is the disk with a directory, in bytes.
type Disk struct {
	Path       string
	Free, Size uint64
}

// Examine returns all problems, those with checks first.
func Examine(s Snapshot) []Finding {
	var all []Finding
	for _, examine := range []func(Snapshot) []Finding{
		conditions, unread, noResults, saturated, overlapping, noData, stagesGone, silentProcesses, childrenDown, backlogs, strandedJobs, deadLetters, streams, diskSpace, clocks,
	} {
		all = append(all, examine(s)...)
	}
	return all
}

// maxNames is the number of names in a finding.
const maxNames = 5

// topNames returns the names with the highest counts.
func topNames(counts map[string]int) string {
	names := byCount(counts)
	if more := len(names) - maxNames; more > 0 {
		return strings.Join(names[:maxNames], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// byCount returns the keys in descending order of counts.
func byCount[K ~string](counts map[K]int) []K {
	return slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// rounded formats a duration with few digits.
func rounded(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// locationFlag returns the flag for a location, with a leading space.
func locationFlag(location string) string {
	if location == "" || location == job.DefaultLocation {
		return ""
	}
	return " --location " + location
}
