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

// minEarly is how much earlier than its interval a ping may come, at least: jobs
// with a short interval seldom keep it exactly.
const minEarly = 5 * time.Minute

// DueBy returns the time after which a job that succeeded last at the given time
// is down. Time in which no ping could be taken does not count. If a ping was due
// in such a time, it may be lost, and the job has until its next one. So a job that
// stays silent is down after the absence, its interval and its grace at the latest.
// The absences are in order.
func (h *Heartbeat) DueBy(last time.Time, absences []Absence) time.Time {
	interval, grace := h.Interval.Std(), h.Grace.Std()
	early := min(interval/2, max(grace, minEarly))
	counted := last.Add(interval + grace) // without the time of absences
	due := counted
	for _, a := range absences {
		if !a.To.After(last) || !a.From.Before(due) { // after it was due, the job was overdue before
			continue
		}
		length := a.Within(last, a.To)
		lost := a.From.Before(counted) && a.To.After(last.Add(interval-early))
		counted, due = counted.Add(length), due.Add(length)
		if next := a.To.Add(min(a.To.Sub(last), interval) + grace); lost && next.After(due) {
			due = next
		}
	}
	return due
}
