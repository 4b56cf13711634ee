package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/notify"
)

func notice(i int) job.Notice {
	return job.Notice{ID: fmt.Sprintf("n%d", i), Kind: job.NoticeDead, At: began, Source: "worker-1", Summary: fmt.Sprintf("stage mail gave up on job %d", i)}
}

// collectAll adds the notices from..to-1 at one time.
func collectAll(d job.Digest, from, to int, now time.Time) job.Digest {
	for i := from; i < to; i++ {
		d, _ = notify.Collect(d, notice(i), now)
	}
	return d
}

func TestNoticesWithinFiveMinutesShareAMail(t *testing.T) {
	t.Parallel()
	first := collectAll(job.Digest{}, 0, 3, began)
	if want := began.Add(10 * time.Second); !first.Due.Equal(want) || len(first.Pending) != 3 {
		t.Fatalf("got %d due at %s, want 3 at %s: soon, but not one by one", len(first.Pending), first.Due, want)
	}
	mailed := notify.Mailed(first, first)
	if !mailed.Due.IsZero() || len(mailed.Pending) != 0 {
		t.Fatalf("got %+v, want nothing left", mailed)
	}
	again := collectAll(mailed, 3, 4, began.Add(time.Minute))
	if want := first.Due.Add(5 * time.Minute); !again.Due.Equal(want) {
		t.Errorf("got the next mail due at %s, want %s: five minutes after the last", again.Due, want)
	}
	later := collectAll(mailed, 3, 4, began.Add(time.Hour))
	if want := began.Add(time.Hour + 10*time.Second); !later.Due.Equal(want) {
		t.Errorf("got a mail due at %s, want %s: there was no mail for an hour", later.Due, want)
	}
}

func TestUrgentNoticesWaitAMinuteAtMost(t *testing.T) {
	t.Parallel()
	first := collectAll(job.Digest{}, 0, 1, began)
	mailed := notify.Mailed(first, first)
	waiting := collectAll(mailed, 1, 2, began.Add(20*time.Second)) // due in five minutes
	urgent := job.Notice{ID: "u", Kind: job.NoticeFault, At: began, Source: "worker-1", Summary: "storage failed"}
	both, _ := notify.Collect(waiting, urgent, began.Add(30*time.Second))
	if want := first.Due.Add(time.Minute); !both.Due.Equal(want) || len(both.Pending) != 2 {
		t.Errorf("got %d due at %s, want both at %s: a minute after the last mail", len(both.Pending), both.Due, want)
	}
	during, _ := notify.Collect(first, urgent, began.Add(time.Second)) // while the first one is mailed
	if got, want := notify.Mailed(during, first).Due, first.Due.Add(time.Minute); !got.Equal(want) {
		t.Errorf("got the rest due at %s, want %s", got, want)
	}
	if got := collectAll(both, 3, 4, began.Add(40*time.Second)); !got.Due.Equal(both.Due) {
		t.Errorf("got the mail postponed to %s by another notice, want %s", got.Due, both.Due)
	}
}

func TestRepeatedNoticeIsCountedOnceEvenAfterItWasMailed(t *testing.T) {
	t.Parallel()
	d := collectAll(job.Digest{}, 0, 2, began)
	if _, changed := notify.Collect(d, notice(1), began); changed {
		t.Error("got a change by a known notice")
	}
	if _, changed := notify.Collect(notify.Mailed(d, d), notice(1), began); changed {
		t.Error("got a change by a mailed notice")
	}
}

func TestNoticesThatComeWhileADigestIsMailedAreKept(t *testing.T) {
	t.Parallel()
	mailed := collectAll(job.Digest{}, 0, 25, began) // 20 in full, 5 counted
	after := notify.Mailed(collectAll(mailed, 25, 27, began.Add(time.Second)), mailed)
	if after.More != 2 || len(after.Pending) != 0 || !after.Due.Equal(mailed.Due.Add(time.Minute)) {
		t.Errorf("got %d pending, %d more, due %s, want the two new ones, of unknown kinds, a minute later", len(after.Pending), after.More, after.Due)
	}
}

func TestCollectDoesNotChangeItsArgument(t *testing.T) {
	t.Parallel()
	before := collectAll(job.Digest{}, 0, 3, began)
	left := collectAll(before, 3, 4, began)
	right := collectAll(before, 4, 5, began)
	if left.Pending[3].ID != "n3" || right.Pending[3].ID != "n4" || len(before.Pending) != 3 {
		t.Errorf("got %v and %v from %v, want two independent digests", left.Pending, right.Pending, before.Pending)
	}
}

func TestDigestMailIsAFunctionOfTheDigest(t *testing.T) {
	t.Parallel()
	d := collectAll(job.Digest{}, 0, 2, began)
	d, _ = notify.Collect(d, job.Notice{
		ID: "s", Kind: job.NoticeStuckJob, At: began, Source: "worker-2", Summary: "a job ignored the end of its context\x1b[2J",
		Detail: "goroutine 7 [chan receive]:\nmain.hang(0x1)\n\t/src/hang.go:7",
	}, began)
	m := notify.DigestMail(d, "Ops@example.org")
	if same := notify.DigestMail(d, "ops@example.org"); same.ID != m.ID {
		t.Errorf("got ids %s and %s, want the same", m.ID, same.ID)
	}
	got := compareDigest(t, "operators", m, "[VEDETTE] 2 dead letters, 1 stuck job")
	if strings.ContainsRune(got, '\x1b') {
		t.Error("got an escape character in the mail")
	}
}

func TestDigestDescribesEachKindOfNotice(t *testing.T) {
	t.Parallel()
	var d job.Digest
	for i, n := range []job.Notice{
		job.Panic{Part: "part mail of workers", Input: "host-1", Message: "service panicked: boom", Stack: "goroutine 7 [running]:\nmain.boom(0x1)\n\t/src/boom.go:7"}.Notice(began),
		{Kind: job.NoticeParked, Summary: "part mail of workers failed so often that it is left alone for 1m0s: boom"},
		{Kind: job.NoticeStuckChild, Summary: "part check of workers did not stop when it was told to", Detail: "goroutine 9 [chan receive]:"},
		{Kind: job.NoticeProcessGone, Summary: "process host-2 has been silent since 2026-03-01T11:59:30Z", Detail: "pid 4711 on host, version 1.0.0, started 2026-03-01T08:00:00Z"},
		{Kind: job.NoticeProcessGone, Summary: "process host-3 has been silent since 2026-03-01T11:59:31Z"},
		{Kind: job.NoticeGaveUp, Summary: "process host-4 ends: supervisor vedette gave up"},
		{Kind: "of_a_newer_version", Summary: "something new"},
	} {
		n.At, n.Source, n.ID = began, "host-1", fmt.Sprint("n", i)
		d, _ = notify.Collect(d, n, began)
	}
	compareDigest(t, "processes", notify.DigestMail(d, "ops@example.org"),
		"[VEDETTE] 1 panic, 1 child parked, 1 stuck child, 2 processes gone, 1 process gave up, 1 of a newer version")
}

// compareDigest compares a mail with its golden file, and returns it.
func compareDigest(t *testing.T, name string, m job.Mail, subject string) string {
	t.Helper()
	if m.Subject != subject {
		t.Errorf("got subject %q, want %q", m.Subject, subject)
	}
	got := "Subject: " + m.Subject + "\n\n" + m.Text
	golden(t, name+".txt", got)
	return got
}

func TestSingleNoticeIsInTheSubject(t *testing.T) {
	t.Parallel()
	m := notify.DigestMail(collectAll(job.Digest{}, 7, 8, began), "ops@example.org")
	if want := "[VEDETTE] dead letter: stage mail gave up on job 7"; m.Subject != want {
		t.Errorf("got subject %q, want %q", m.Subject, want)
	}
}
