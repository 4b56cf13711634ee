package job

import "time"

// Heartbeat is the passive probe: a job pings Vedette each time it runs, and a
// missing ping makes the monitor down.
type Heartbeat struct {
	// Token names the heartbeat in pings. Only the job knows it.
	Token string `json:"token" file:"required,secret"`
	// Interval is how often the job runs; Grace is how late a ping may be.
	Interval Duration `json:"interval" file:"required,duration"`
	Grace    Duration `json:"grace,omitempty"`
}

// Ping kinds; the kind is the last subject token.
const (
	PingOK    = "ok"    // the job succeeded
	PingStart = "start" // the job started
	PingFail  = "fail"  // the job failed
	// PingSince is stored at the first check of a heartbeat: silence counts
	// from then.
	PingSince = "since"
)

// MaxPingOutput limits the output bytes in a ping.
const MaxPingOutput = 1000

// Ping is a message from a monitored job. An empty message is a valid ping.
type Ping struct {
	V int `json:"v"`
	// ExitCode is the job's exit code, zero for success.
	ExitCode int `json:"exit_code,omitempty"`
	// Output is the last part that the job printed.
	Output string `json:"output,omitempty"`
}

// Deadline returns the longest time without a ping that is not a failure.
func (h *Heartbeat) Deadline() time.Duration { return h.Interval.Std() + h.Grace.Std() }
