package job

import "time"

// Process is the lease of one process in the bucket PROCESS. A process renews its
// lease every five seconds and deletes it on a clean stop.
type Process struct {
	V int `json:"v"`
	// ID identifies this run of the process. Name appears in results and logs.
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Stages are the stages that the process runs, such as check and mail.
	// Location is where its checks run.
	Stages   []string `json:"stages,omitempty"`
	Location string   `json:"location,omitempty"`
	// EmbeddedServer is set for a process that runs the NATS server inside. There is
	// one at most, which holds the lock on the data directory.
	EmbeddedServer bool `json:"embedded_server,omitempty"`
}

// ProcessStatus is a process's answer to a status request.
type ProcessStatus struct {
	V       int     `json:"v"`
	Process Process `json:"process"`
	// Conditions are what the process needs for its work, as /readyz shows them.
	Conditions []ProcessCondition `json:"conditions,omitempty"`
	// Children are the supervised children of the process, as a tree.
	Children []ChildStatus `json:"children"`
}

// ChildStatus is a supervised child's status.
type ChildStatus struct {
	Name string `json:"name"`
	// State is idle, starting, running, stopping, waiting, parked, given_up,
	// ended, stopped, disabled or stuck. Since is when that state began.
	State string    `json:"state"`
	Since time.Time `json:"since"`
	// Incarnation counts starts, Restarts the starts after a failure of the child
	// itself.
	Incarnation int `json:"incarnation"`
	Restarts    int `json:"restarts"`
	// LastFailure is the child's most recent failure, nil if it never failed.
	LastFailure *ChildFailure `json:"last_failure,omitempty"`
	// Jobs is set for a child that is a worker pool.
	Jobs *ChildJobs `json:"jobs,omitempty"`
	// Strategy and Children are set for a supervisor.
	Strategy string        `json:"strategy,omitempty"`
	Children []ChildStatus `json:"children,omitempty"`
}

// ChildFailure is a failure in a supervised child.
type ChildFailure struct {
	At time.Time `json:"at"`
	// Class is error, panic, goexit, timeout, stuck or unavailable.
	Class string `json:"class"`
	Error string `json:"error"`
	// Stack is the stack at the panic or of the hung goroutine.
	Stack string `json:"stack,omitempty"`
}

// ChildJobs counts the jobs in one worker pool.
type ChildJobs struct {
	// Running jobs are never more than Limit.
	Running int `json:"running"`
	Limit   int `json:"limit"`
	// Done and Failed count attempts since the pool started. Stuck counts jobs
	// whose handler ignored the end of its context.
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	Stuck  uint64 `json:"stuck"`
}
