package job

import "time"

// ProcessConditionName names something that a process needs for its work. The set
// is closed, so that programs can rely on it.
type ProcessConditionName string

// The conditions. Not every process has all of them.
const (
	ProcessRunning  ProcessConditionName = "running"  // it is not stopping
	ProcessNATS     ProcessConditionName = "nats"     // it is connected to the server
	ProcessChildren ProcessConditionName = "children" // all supervised children run
	ProcessStorage  ProcessConditionName = "storage"  // the streams accept and keep messages
	ProcessSchedule ProcessConditionName = "schedule" // each second gets its tick
	ProcessResults  ProcessConditionName = "results"  // the scheduled checks have results
	ProcessMail     ProcessConditionName = "mail"     // mails can leave
	ProcessClock    ProcessConditionName = "clock"    // the wall clock is right and does not jump
	ProcessWatchdog ProcessConditionName = "watchdog" // the watchdogs accept pings
	ProcessData     ProcessConditionName = "data"     // nothing in the data directory was lost at the start
	ProcessFile     ProcessConditionName = "file"     // the monitor file is applied
	// ProcessTemplates: the templates for mails worked for each mail.
	ProcessTemplates ProcessConditionName = "templates"
)

// ProcessCondition says whether a process has something that it needs for its work.
type ProcessCondition struct {
	Name ProcessConditionName `json:"name"`
	OK   bool                 `json:"ok"`
	// Advisory is set for a condition that does not make the process unready: it
	// works on, but people should know.
	Advisory bool `json:"advisory,omitempty"`
	// Since is when the condition was last met or failed, zero if it is unknown.
	Since time.Time `json:"since,omitzero"`
	// Reason is one word for programs, and Detail one line for people. Both are
	// empty while the condition is met.
	Reason ProcessConditionReason `json:"reason,omitempty"`
	Detail string                 `json:"detail,omitempty"`
}

// ProcessConditionReason is why a process lacks something that it needs. The set is
// closed.
type ProcessConditionReason string

// Reasons of the condition watchdog.
const (
	// FaultPingFailed: no answer came to a ping.
	FaultPingFailed ProcessConditionReason = "ping_failed"
	// FaultPingRefused: the answer was not one of success.
	FaultPingRefused ProcessConditionReason = "ping_refused"
)

// The reasons why the monitor file is not applied. The process continues with what
// is stored.
const (
	FaultFileInvalid   ProcessConditionReason = "file_invalid"    // it cannot be read, or has mistakes
	FaultFileRemovals  ProcessConditionReason = "file_removals"   // it lacks most of the stored monitors
	FaultFileNotStored ProcessConditionReason = "file_not_stored" // its definitions could not be stored
)

// ConditionError is an error with the reason for a condition that is not met.
type ConditionError struct {
	Reason ProcessConditionReason
	Detail string // one line for people
	Err    error
}

// Error returns the detail.
func (e *ConditionError) Error() string { return e.Detail }

// Unwrap returns the error without the reason.
func (e *ConditionError) Unwrap() error { return e.Err }

// The reasons why the storage of a process has failed.
const (
	FaultDiskFull      ProcessConditionReason = "disk_full"      // there is no room on the disk with the data directory
	FaultReadOnly      ProcessConditionReason = "read_only"      // its file system is read-only
	FaultNoPermission  ProcessConditionReason = "no_permission"  // the process may not write there
	FaultDataRemoved   ProcessConditionReason = "data_removed"   // the data directory was removed or replaced
	FaultNoDescriptors ProcessConditionReason = "no_descriptors" // the process or machine has hardly any file descriptors left
	FaultDiskError     ProcessConditionReason = "disk_error"     // the disk reports errors
	FaultDiskStalled   ProcessConditionReason = "disk_stalled"   // the disk does not answer
	FaultWriteError    ProcessConditionReason = "write_error"    // the server inside the process refuses messages after a write error
	FaultNotStored     ProcessConditionReason = "not_stored"     // the server does not store messages, for an unknown reason
)

// The reasons why nothing is scheduled, or nothing checked.
const (
	FaultNoTicks   ProcessConditionReason = "no_ticks"   // the process gets no ticks
	FaultNoResults ProcessConditionReason = "no_results" // checks were enqueued, and no result was stored
)

// FaultDataLost is the reason of [ProcessData]: files were damaged or missing at
// the start, and messages in them were lost. The process works with the rest.
const FaultDataLost ProcessConditionReason = "data_lost"

// FaultTemplate means that a template failed on a mail, which left with the built-in
// text.
const FaultTemplate ProcessConditionReason = "template_failed"

// FaultClockStepped means that the wall clock was set forward or back.
const FaultClockStepped ProcessConditionReason = "clock_stepped"
