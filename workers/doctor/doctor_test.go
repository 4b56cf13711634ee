package doctor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
	"vedette/workers/doctor"
)

// at is the time of all snapshots.
func at() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// process returns a process whose children have run for an hour.
func process(name string, pools ...job.ChildStatus) job.ProcessStatus {
	return job.ProcessStatus{
		Process:  job.Process{Name: name, Host: "h", PID: 7, Stages: []string{"check", "mail"}},
		Children: []job.ChildStatus{{Name: "workers", State: "running", Since: at().Add(-time.Hour), Children: pools}},
	}
}

func pool(name string, running, limit int) job.ChildStatus {
	return job.ChildStatus{Name: name, State: "running", Since: at().Add(-time.Hour), Jobs: &job.ChildJobs{Running: running, Limit: limit}}
}

// busy returns a snapshot with one process and one location.
func busy(running, limit int, l doctor.Location) doctor.Snapshot {
	l.Name = "default"
	return doctor.Snapshot{
		At: at(), Window: time.Minute, Processes: []job.ProcessStatus{process("p1", pool("check-default", running, limit))},
		Locations: []doctor.Location{l},
		Queues:    []doctor.Queue{{Name: "check-default", Waiting: 812, OldestAge: 14 * time.Second}},
	}
}

func TestExamine(t *testing.T) {
	t.Parallel()
	silent := doctor.Location{
		Checked: 1560, Held: 1560 * 9800 * time.Millisecond, Timeouts: 1529, TimedOut: 1529 * 10 * time.Second,
		Missed: map[job.MissReason]int{job.MissExpired: 1000, job.MissOverlap: 500},
	}
	two := busy(256, 256, silent)
	two.Processes = append(two.Processes, process("p2", pool("check-default", 256, 256)))
	for name, c := range map[string]struct {
		snapshot doctor.Snapshot
		want     []doctor.Finding // Why may be omitted
	}{
		"nothing":                        {doctor.Snapshot{}, nil},
		"a busy location without misses": {busy(10, 256, doctor.Location{Checked: 100, Held: time.Second}), nil},
		"too few slots, due to silent targets": {busy(256, 256, silent), []doctor.Finding{{
			Kind: doctor.Saturated, Subject: "location default",
			Found:  "checks at location default: 256 of 256 slots busy, 812 waiting, oldest 14s; a check holds its slot for 9.8s on average, the 98 % with silent targets for 10s",
			Why:    "1500 of 3060 slots in the last 1m0s were not checked (1000 expired, 500 overlap)",
			Advice: "raise workers.checks from 256 to 632, or start 2 more 'vedette worker'",
		}}},
		"too few slots in two processes": {two, []doctor.Finding{{
			Kind: doctor.Saturated, Subject: "location default",
			Found:  "checks at location default: 512 of 512 slots busy, 812 waiting, oldest 14s; a check holds its slot for 9.8s on average, the 98 % with silent targets for 10s",
			Advice: "raise workers.checks from 256 to 320 in each of the 2 processes, or start another 'vedette worker'",
		}}},
		"too few slots, and no check has ended yet": {busy(4, 4, doctor.Location{Missed: map[job.MissReason]int{job.MissExpired: 3}}), []doctor.Finding{{
			Kind: doctor.Saturated, Subject: "location default",
			Found:  "checks at location default: 4 of 4 slots busy, 812 waiting, oldest 14s",
			Advice: "raise workers.checks from 4 to 8, or start another 'vedette worker'",
		}}},
		"late, without missed slots": {busy(4, 4, doctor.Location{Checked: 120, Held: 240 * time.Second}), []doctor.Finding{{
			Kind: doctor.Saturated, Subject: "location default",
			Found:  "checks at location default: 4 of 4 slots busy, 812 waiting, oldest 14s; a check holds its slot for 2s on average",
			Why:    "checks are late; more checks would be missed",
			Advice: "raise workers.checks from 4 to 8, or start another 'vedette worker'",
		}}},
		"enough slots, and too few processors": {busy(256, 256, doctor.Location{Checked: 6000, Held: 6 * time.Second, Missed: map[job.MissReason]int{job.MissShed: 6000}}), []doctor.Finding{{
			Kind: doctor.Saturated, Subject: "location default",
			Found:  "checks at location default: 256 of 256 slots busy, 812 waiting, oldest 14s; a check holds its slot for 1ms on average",
			Advice: "about 1 slots would suffice, so the processors are the bottleneck: start another 'vedette worker' on another machine, or lengthen intervals",
		}}},
		"checks that take longer than their interval": {
			busy(10, 256, doctor.Location{Checked: 9, Missed: map[job.MissReason]int{job.MissOverlap: 3}, Overlaps: map[string]int{"a": 1, "b": 2}}),
			[]doctor.Finding{{
				Kind: doctor.Overlap, Subject: "location default",
				Found:  "3 slots for 2 monitors were missed in the last 1m0s because the previous check was still running: b, a",
				Advice: "lower the timeout of these monitors, or lengthen their interval; if many check one host, raise workers.checks_per_host",
			}},
		},
		"monitors without data": {doctor.Snapshot{NoData: map[doctor.NoDataCause]int{{Reason: job.MissNoWorker}: 2, {Reason: job.MissNoWorker, Location: "fra"}: 1, {Reason: job.MissCheckFailed}: 1}}, []doctor.Finding{
			{Kind: doctor.NoData, Subject: "check_failed", Found: "1 monitor has no data: check_failed", Advice: "'vedette explain MONITOR' shows why the checks fail"},
			{Kind: doctor.NoData, Subject: "no_worker", Found: "2 monitors have no data: no_worker", Advice: "start a 'vedette worker'"},
			{Kind: doctor.NoData, Subject: "no_worker at fra", Found: "1 monitor has no data: no_worker at fra", Advice: "start a 'vedette worker --location fra'"},
		}},
		"missing stages": {doctor.Snapshot{Stages: []string{"check", "schedule", "notify"}, Processes: []job.ProcessStatus{process("p1")}}, []doctor.Finding{
			{Kind: doctor.StageGone, Subject: "schedule", Found: "no responding process runs the stage schedule", Advice: "start 'vedette run --stages schedule FILE'"},
			{Kind: doctor.StageGone, Subject: "notify", Found: "no responding process runs the stage notify", Advice: "start 'vedette worker --stages notify', which may need the FILE"},
		}},
		"a hanging process": {doctor.Snapshot{Silent: []job.Process{{Name: "p2", Host: "h", PID: 9}}}, []doctor.Finding{{
			Kind: doctor.Silent, Subject: "p2", Found: "process p2, pid 9 on h, holds a lease and does not answer",
			Advice: "check pid 9 on h: if it exists, its log and SIGQUIT show where it hangs; end it, and start it again",
		}}},
		"a parked child, and one that has just begun to start": {
			doctor.Snapshot{At: at(), Processes: []job.ProcessStatus{process("p1",
				job.ChildStatus{Name: "mail", State: "parked", Since: at().Add(-20 * time.Second), Restarts: 6, LastFailure: &job.ChildFailure{Class: "panic", Error: "boom"}},
				job.ChildStatus{Name: "notify", State: "starting", Since: at().Add(-time.Second)})}},
			[]doctor.Finding{{
				Kind: doctor.ChildDown, Subject: "p1/mail", Found: "child mail in process p1 has been parked for 20s, after 6 restarts: panic: boom",
				Advice: "'vedette ps --tree' shows its last failure; restart the process if the child does not recover",
			}},
		},
		"waiting mails, and free slots": {
			doctor.Snapshot{Processes: []job.ProcessStatus{process("p1", pool("mail-alert", 0, 8))}, Queues: []doctor.Queue{{Name: "mail-alert", Waiting: 3, OldestAge: time.Minute}}},
			[]doctor.Finding{{
				Kind: doctor.Backlog, Subject: "mail-alert", Found: "queue mail-alert: 0 of 8 slots busy, 3 waiting, oldest 1m0s",
				Advice: "no relay is reachable, or per_minute or recipient_per_minute delays the mails: see 'vedette mail test FILE' and the logs",
			}},
		},
		"ad-hoc checks waiting for a slot": {
			doctor.Snapshot{Processes: []job.ProcessStatus{process("p1", pool("adhoc-fra", 64, 64))}, Queues: []doctor.Queue{{Name: "adhoc-fra", Waiting: 900, OldestAge: time.Minute}}},
			[]doctor.Finding{{
				Kind: doctor.Backlog, Subject: "adhoc-fra", Found: "queue adhoc-fra: 64 of 64 slots busy, 900 waiting, oldest 1m0s",
				Advice: "raise workers.adhoc from 64 to 128, or start another 'vedette worker --stages check'",
			}},
		},
		"ad-hoc checks that have waited for a moment": {doctor.Snapshot{Queues: []doctor.Queue{{Name: "adhoc-fra", Waiting: 900, OldestAge: time.Second}}}, nil},
		"stranded jobs": {doctor.Snapshot{Stranded: map[string][]string{"mail-alert": {"mail.alert.m1"}, "check-default": {"a", "b", "c", "d", "e", "f", "g"}}}, []doctor.Finding{{
			Kind: doctor.Stranded, Subject: "check-default", Found: "the server holds 7 jobs for queue check-default that it will not deliver: a, b, c, d, e and 2 more",
			Advice: "a process with the stage maintain repairs them within half a minute; if they stay, start one, and check the server's disk and log",
		}, {
			Kind: doctor.Stranded, Subject: "mail-alert", Found: "the server holds 1 job for queue mail-alert that it will not deliver: mail.alert.m1",
			Advice: "a process with the stage maintain repairs them within half a minute; if they stay, start one, and check the server's disk and log",
		}}},
		"dead letters": {doctor.Snapshot{DeadLetters: 2}, []doctor.Finding{{
			Kind: doctor.DeadLetters, Subject: "dead letters", Found: "2 jobs failed for good",
			Advice: "'vedette dead list' shows them with their causes; then use 'vedette dead replay' or 'vedette dead drop'",
		}}},
		"streams": {doctor.Snapshot{Streams: []doctor.Stream{
			{Name: "V_MAIL", Messages: 79, MaxMessages: 100, Bytes: 1},
			{Name: "V_DEAD", Messages: 1, MaxMessages: 100, Bytes: 90 << 20, MaxBytes: 100 << 20},
			{Name: "V_CHECK", Messages: 1 << 20, Behind: []string{"n2"}, Unreachable: []string{"n3"}},
		}}, []doctor.Finding{
			{Kind: doctor.StreamFull, Subject: "V_DEAD", Found: "stream V_DEAD is 90 % full: 1 messages, 90 MB", Advice: "'vedette dead drop --older-than 720h' frees space"},
			{
				Kind: doctor.ReplicaBehind, Subject: "V_CHECK", Found: "replicas of stream V_CHECK are offline or behind on n3, n2",
				Advice: "check these nodes: '/readyz' at 'vedette server --http' shows when a node is up to date; stop no other node before",
			},
		}},
		"a nearly full disk": {doctor.Snapshot{Disk: doctor.Disk{Path: "d", Free: 9 << 20, Size: 100 << 20}}, []doctor.Finding{{
			Kind: doctor.DiskFull, Subject: "d", Found: "9 % are free on the disk with d: 9 MB", Advice: "free space, or move the data directory: server.data in the file, or --data",
		}}},
		"a disk with free space": {doctor.Snapshot{Disk: doctor.Disk{Path: "d", Free: 10 << 20, Size: 100 << 20}}, nil},
		"a clock that was set": {doctor.Snapshot{At: at(), Processes: []job.ProcessStatus{{
			Process: job.Process{Name: "p1", Host: "h1"}, Conditions: []job.ProcessCondition{{
				Name: job.ProcessClock, Advisory: true, Reason: job.FaultClockStepped, Since: at().Add(-20 * time.Second), Detail: "the wall clock jumped by +1h0m0s, to 2026-03-01 13:00:00 UTC",
			}},
		}}}, []doctor.Finding{{
			Kind: doctor.Fault, Subject: "p1/clock", Found: "clock of process p1 on h1 has failed for 20s: the wall clock jumped by +1h0m0s, to 2026-03-01 13:00:00 UTC",
			Advice: "nothing is to be repaired; synchronize the clock of that machine, such as with chrony or systemd-timesyncd, so that it does not jump",
		}}},
		"a wrong clock": {doctor.Snapshot{Clocks: []doctor.WorkerClock{{Worker: "w1", Ahead: time.Second}, {Worker: "w2", Behind: 30 * time.Second}}}, []doctor.Finding{{
			Kind: doctor.Clock, Subject: "w2", Found: "the clock of worker w2 is at least 30s behind the server's",
			Advice: "synchronize the clock on that machine, or on the server, for example with chronyd or systemd-timesyncd",
		}}},
	} {
		got := doctor.Examine(c.snapshot)
		for i := range min(len(got), len(c.want)) {
			if got[i].Why == "" {
				t.Errorf("%s: got no consequence", name)
			}
			if c.want[i].Why == "" {
				got[i].Why = ""
			}
		}
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s: got, want:\n%s", name, diff)
		}
	}
}

func TestSaturationReportsOnlyMisses(t *testing.T) {
	t.Parallel()
	late := busy(4, 4, doctor.Location{Checked: 120, Held: 240 * time.Second})
	if got := doctor.Saturation(late); len(got) > 0 {
		t.Errorf("got %+v, want none for late checks", got)
	}
	missed := busy(4, 4, doctor.Location{Checked: 120, Held: 240 * time.Second, Missed: map[job.MissReason]int{job.MissShed: 1}})
	if got := doctor.Saturation(missed); len(got) != 1 || !strings.Contains(got[0].Why, "1 of 121 slots") {
		t.Errorf("got %+v, want the miss", got)
	}
	noWorker := busy(0, 0, doctor.Location{Missed: map[job.MissReason]int{job.MissExpired: 1}})
	if got := doctor.Saturation(noWorker); len(got) > 0 {
		t.Errorf("got %+v, want none without a worker", got)
	}
}

func TestResultStats(t *testing.T) {
	t.Parallel()
	slot := at()
	result := func(worker string, started time.Duration, class job.Class) job.Result {
		return job.Result{Monitor: "m", Slot: slot, Location: "fra", Worker: worker, ProbeResult: &job.ProbeResult{
			Health: job.Up, Class: class, Started: slot.Add(started), Latency: job.Duration(2 * time.Second),
		}}
	}
	var stats doctor.ResultStats
	stats.Add([]job.Result{
		result("good", time.Second, ""), result("ahead", 10*time.Second, job.ClassTimeout), result("behind", -5*time.Second, ""),
		{Monitor: "m", Slot: slot, Location: "fra", Miss: &job.Miss{Reason: job.MissOverlap, Count: 2}},
		{Monitor: "m", Slot: slot, Miss: &job.Miss{Reason: job.MissPaused, Count: 2}},
		{ID: "adhoc", Location: "fra", ProbeResult: &job.ProbeResult{}},
	}, slot.Add(4*time.Second))
	want := []doctor.Location{{
		Name: "fra", Checked: 3, Held: 6 * time.Second, Timeouts: 1, TimedOut: 2 * time.Second,
		Missed: map[job.MissReason]int{job.MissOverlap: 2}, Overlaps: map[string]int{"m": 2},
	}}
	if diff := cmp.Diff(stats.Locations(), want); diff != "" {
		t.Errorf("got, want:\n%s", diff)
	}
	clocks := []doctor.WorkerClock{{Worker: "ahead", Ahead: 8 * time.Second}, {Worker: "behind", Behind: 5 * time.Second}, {Worker: "good"}}
	if diff := cmp.Diff(stats.Clocks(), clocks); diff != "" {
		t.Errorf("got, want:\n%s", diff)
	}
}
