package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
)

func TestLastWordIsReadWhileItsProcessExists(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	where := Instance{Data: dir}
	if _, faulty := where.LastWord(); faulty {
		t.Error("got a last word, want none in an empty directory")
	}
	w, err := OpenLastWord(dir)
	if err != nil {
		t.Fatal(err)
	}
	write := func(pid int, ok bool, detail string) {
		t.Helper()
		c := job.ProcessCondition{Name: job.ProcessStorage, OK: ok, Detail: detail}
		if err := w.Write(job.ProcessStatus{V: job.Version, Process: job.Process{V: job.Version, Name: "p", PID: pid}, Conditions: []job.ProcessCondition{c}}); err != nil {
			t.Fatal(err)
		}
	}
	write(os.Getpid(), false, strings.Repeat("a long detail, ", 100))
	write(os.Getpid(), false, "disk full")
	found, err := os.Stat(filepath.Join(dir, lastWordFile))
	if err != nil || found.Size() != lastWordSize {
		t.Errorf("got %v, %v, want the size that the file has from the start", found, err)
	}
	if status, faulty := where.LastWord(); !faulty || len(status.Conditions) != 1 || status.Conditions[0].Detail != "disk full" {
		t.Errorf("got %+v, %t, want the last condition", status, faulty)
	}
	write(os.Getpid(), true, "")
	if status, faulty := where.LastWord(); faulty {
		t.Errorf("got %+v, want nothing from a process that has all it needs", status)
	}
	write(1<<30, false, "of a process that was killed") // no system has so many
	if status, faulty := where.LastWord(); faulty {
		t.Errorf("got %+v, want nothing from a process that is gone", status)
	}
	write(os.Getpid(), false, "disk full")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, faulty := where.LastWord(); faulty {
		t.Error("got a last word after a clean end, want none")
	}
}

func TestConditionsAreInheritedFromAProcessThatWasKilled(t *testing.T) {
	t.Parallel()
	dir, since := t.TempDir(), time.Now().UTC()
	w, err := OpenLastWord(dir)
	if err != nil {
		t.Fatal(err)
	}
	write := func(pid int) {
		t.Helper()
		if err := w.Write(job.ProcessStatus{V: job.Version, Process: job.Process{V: job.Version, Name: "p", PID: pid}, Conditions: []job.ProcessCondition{
			{Name: job.ProcessNATS, Since: since}, {Name: job.ProcessStorage, OK: true, Since: since}, {Name: job.ProcessMail, Since: since, Detail: "away"},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	for pid, want := range map[int]int{1 << 30: 1, os.Getpid(): 1, os.Getppid(): 0} { // killed, killed with the same pid, alive
		write(pid)
		if got := InheritedConditions(dir); len(got) != want || want > 0 && got[0].Name != job.ProcessMail {
			t.Errorf("pid %d: got %+v, want %d conditions", pid, got, want)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := InheritedConditions(dir); len(got) != 0 {
		t.Errorf("got %+v after a clean stop, want none", got)
	}
}
