package job

import "time"

// Process is a process of the installation, as its lease in the bucket WORKER
// tells. It renews the lease every five seconds; when it stops as it should, it
// takes it away.
type Process struct {
	V int `json:"v"`
	// ID is that of this run of the process, Name what results and logs call it.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Stages are what the process does, such as check and mail, and Location is
	// where it makes checks.
	Stages   []string `json:"stages,omitempty"`
	Location string   `json:"location,omitempty"`
}

// ProcessStatus is what a process answers when it is asked what it does.
type ProcessStatus struct {
	V       int     `json:"v"`
	Process Process `json:"process"`
	// Children are the supervised parts of the process, as a tree.
	Children []ChildStatus `json:"children"`
}

// ChildStatus is what is known of one supervised part of a process.
type ChildStatus struct {
	Name string `json:"name"`
	// State is idle, starting, running, stopping, waiting, parked, given_up,
	// ended, stopped, disabled or stuck, and Since when that began.
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Incarnation counts its starts, Restarts those of them that followed a
	// failure of its own.
	Incarnation int `json:"incarnation"`
	Restarts    int `json:"restarts"`
	// LastFailure is the last that went wrong with it, if anything did.
	LastFailure *ChildFailure `json:"last_failure,omitempty"`
	// Jobs are those of a part that runs jobs.
	Jobs *ChildJobs `json:"jobs,omitempty"`
	// Strategy and Children are those of a part that supervises others.
	Strategy string        `json:"strategy,omitempty"`
	Children []ChildStatus `json:"children,omitempty"`
}

// ChildFailure is a failure of a supervised part.
type ChildFailure struct {
	At time.Time `json:"at"`
	// Class is error, panic, goexit, timeout, stuck or unavailable.
	Class string `json:"class"`
	Error string `json:"error"`
	// Stack is where it panicked or hung.
	Stack string `json:"stack,omitempty"`
}

// ChildJobs are the jobs of one supervised part.
type ChildJobs struct {
	// Running is how many run, Limit how many may.
	Running int `json:"running"`
	Limit   int `json:"limit"`
	// Done and Failed count attempts since the part was last started, Stuck
	// those whose handler ignored the end of its context.
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	Stuck  uint64 `json:"stuck"`
}
