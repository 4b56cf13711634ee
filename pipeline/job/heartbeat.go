package job

import "time"

// Heartbeat is the heartbeat probe, the other direction: a job says by itself
// that it ran, and silence is down.
type Heartbeat struct {
	// Token is known to the job alone: it names the heartbeat in pings.
	Token string `json:"token" file:"required,secret"`
	// Interval is how often the job runs; Grace is how much later it may be.
	Interval Duration `json:"interval" file:"required,duration"`
	Grace    Duration `json:"grace,omitempty"`
}

// The kinds of ping, the last token of their subjects.
const (
	PingOK    = "ok"    // the job ran, and did what it should
	PingStart = "start" // it has begun
	PingFail  = "fail"  // it ran, and failed
	// PingSince is stored when a heartbeat is judged for the first time: silence
	// begins then.
	PingSince = "since"
)

// MaxPingOutput is how many bytes of a job's output a ping keeps.
const MaxPingOutput = 1000

// Ping is what a job says of itself. An empty message is one too.
type Ping struct {
	V int `json:"v"`
	// ExitCode is the job's, zero unless it failed.
	ExitCode int `json:"exit_code,omitempty"`
	// Output is the end of what the job printed.
	Output string `json:"output,omitempty"`
}

// Deadline is the longest silence that is no failure.
func (h *Heartbeat) Deadline() time.Duration { return h.Interval.Std() + h.Grace.Std() }
