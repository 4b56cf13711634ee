package doctor_test

import (
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/doctor"
)

func TestWatchdogThatAcceptsNoPingsIsFound(t *testing.T) {
	t.Parallel()
	for reason, advice := range map[job.ProcessConditionReason]string{job.FaultPingFailed: "the network to it", job.FaultPingRefused: "its token"} {
		p := process("p1")
		p.Process.Host = "host"
		p.Conditions = []job.ProcessCondition{{
			Name: job.ProcessWatchdog, Advisory: true, Since: at().Add(-time.Minute), Reason: reason, Detail: "watchdog 1 does not accept pings: hc-ping.com: refused",
		}}
		found := doctor.Examine(doctor.Snapshot{At: at(), Processes: []job.ProcessStatus{p}})
		if len(found) != 1 || found[0].Kind != doctor.Fault || found[0].Subject != "p1/watchdog" || !strings.Contains(found[0].Advice, advice) ||
			found[0].Found != "watchdog of process p1 on host has failed for 1m0s: watchdog 1 does not accept pings: hc-ping.com: refused" {
			t.Errorf("%s: got %+v, want a finding that says %q", reason, found, advice)
		}
	}
}
