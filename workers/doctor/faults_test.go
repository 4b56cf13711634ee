package doctor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/doctor"
)

// failing returns a snapshot with a process that has failed in something for a
// minute.
func failing(name job.ProcessConditionName, reason job.ProcessConditionReason, detail string) doctor.Snapshot {
	p := process("p1")
	p.Conditions = []job.ProcessCondition{{Name: name, Reason: reason, Detail: detail, Since: at().Add(-time.Minute)}}
	return doctor.Snapshot{At: at(), Window: time.Minute, Processes: []job.ProcessStatus{p}}
}

// Each fault of the storage is named with its effect and a remedy of its own.
func TestEachFaultOfTheStorageHasItsRemedy(t *testing.T) {
	t.Parallel()
	for reason, remedy := range map[job.ProcessConditionReason]string{
		job.FaultDiskFull: "free space", job.FaultReadOnly: "remount", job.FaultNoPermission: "user that runs Vedette",
		job.FaultDataRemoved: "mount that again", job.FaultNoDescriptors: "ulimit -n", job.FaultDiskError: "replace the disk",
		job.FaultDiskStalled: "network file system", job.FaultWriteError: "being restarted", job.FaultNotStored: "log of the NATS server",
		"from_a_newer_version": "check the disk",
	} {
		found := doctor.Examine(failing(job.ProcessStorage, reason, "what happened"))
		if len(found) != 1 || found[0].Kind != doctor.Fault || found[0].Subject != "p1/storage" {
			t.Errorf("%s: got %+v, want one fault", reason, found)
			continue
		}
		f := found[0]
		if f.Found != "storage of process p1 on h has failed for 1m0s: what happened" || f.Why == "" || !strings.Contains(f.Advice, remedy) {
			t.Errorf("%s: got %+v, want what happened, its effect, and %q", reason, f, remedy)
		}
	}
}

func TestNoChecksAtAllAreAFinding(t *testing.T) {
	t.Parallel()
	s := doctor.Snapshot{At: at(), Window: time.Minute, Processes: []job.ProcessStatus{process("p1")}, Unchecked: 50}
	found := doctor.Examine(s)
	if len(found) != 1 || found[0].Kind != doctor.NoResults || found[0].Found != "no check in the last 1m0s has a result, though 50 monitors should have one" || !strings.Contains(found[0].Advice, "vedette ps --tree") {
		t.Errorf("got %+v, want that nothing is checked", found)
	}
	broken := failing(job.ProcessStorage, job.FaultDiskFull, "full")
	broken.Unchecked = 1
	if found := doctor.Examine(broken); len(found) != 2 || !strings.Contains(found[1].Advice, "other findings") {
		t.Errorf("got %+v, want the cause first", found)
	}
}

func TestUnreadStreamsDoNotHideFaults(t *testing.T) {
	t.Parallel()
	s := failing(job.ProcessStorage, job.FaultNoPermission, "may not write")
	s.Unread = errors.New("no answer")
	found := doctor.Examine(s)
	if len(found) != 2 || found[0].Kind != doctor.Fault || found[1].Kind != doctor.Unread || !strings.Contains(found[1].Found, "no answer") {
		t.Errorf("got %+v, want the fault, and what is missing", found)
	}
}
