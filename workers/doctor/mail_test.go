package doctor_test

import (
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/doctor"
)

// Mails that wait because none can leave are one finding, and others are their own.
func TestQueueOfMailsIsNoFindingWhileMailsCannotLeave(t *testing.T) {
	t.Parallel()
	for reason, want := range map[job.ProcessConditionReason]int{job.FaultRelaysDown: 1, job.FaultRelayAway: 2} {
		p := process("p1", pool("mail-alert", 0, 8))
		p.Conditions = []job.ProcessCondition{{Name: job.ProcessMail, Advisory: true, Reason: reason, Detail: "relay mx1:587 is away"}}
		found := doctor.Examine(doctor.Snapshot{
			At: at(), Processes: []job.ProcessStatus{p}, Queues: []doctor.Queue{{Name: "mail-alert", Waiting: 3, OldestAge: time.Minute}},
		})
		if len(found) != want || found[0].Kind != doctor.Fault {
			t.Errorf("%s: got %+v, want %d findings", reason, found, want)
		}
	}
}

// Each reason why mails cannot leave has one finding, with its effect and a remedy
// of its own.
func TestMailFaultsHaveTheirEffectAndRemedy(t *testing.T) {
	t.Parallel()
	seen := map[string]job.ProcessConditionReason{}
	for reason, want := range map[job.ProcessConditionReason][2]string{
		job.FaultRelayAway:          {"mails leave by the other relay", "start that relay"},
		job.FaultRelaysDown:         {"mails wait in their queue", "start a relay"},
		job.FaultRelayLogin:         {"mails wait in their queue", "password"},
		job.FaultRelayTLS:           {"mails wait in their queue", "renew the certificate of the relay, or"},
		job.FaultCertificateExpires: {"once it has expired", "renew the certificate"},
		job.FaultRelayDefers:        {"tried again", "log of the relay"},
		job.FaultMailQueue:          {"late", "raise workers.mails"},
		job.FaultMaildir:            {"nothing stores them", "rights of that directory"},
	} {
		p := process("p1")
		p.Conditions = []job.ProcessCondition{
			{Name: job.ProcessStorage, OK: true},
			{Name: job.ProcessMail, Advisory: true, Since: at().Add(-time.Minute), Reason: reason, Detail: "relay mx1:587 is away"},
		}
		found := doctor.Examine(doctor.Snapshot{At: at(), Processes: []job.ProcessStatus{p}})
		if len(found) != 1 {
			t.Fatalf("%s: got %+v, want one finding", reason, found)
		}
		f := found[0]
		if f.Kind != doctor.Fault || f.Subject != "p1/mail" || f.Found != "mail of process p1 on h has failed for 1m0s: relay mx1:587 is away" ||
			!strings.Contains(f.Why, want[0]) || !strings.Contains(f.Advice, want[1]) {
			t.Errorf("%s: got %+v, want the effect %q and the remedy %q", reason, f, want[0], want[1])
		}
		if other, known := seen[f.Advice]; known {
			t.Errorf("got the same remedy for %s and %s", reason, other)
		}
		seen[f.Advice] = reason
	}
}
