package deadletter_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestDeadLetterIsCompleteAndReplayEnqueuesTheJobOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "worker-1"})
	enqueued := time.Now()
	pipelinetest.Put(t, p, "job")
	var well atomic.Bool
	seen := make(chan pipeline.Delivery, 10)
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Stage: "check", Backoff: pool.Backoff{Initial: time.Millisecond}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		seen <- d
		switch {
		case well.Load():
			return nil
		case d.Attempt < 3:
			return errors.New("not yet")
		default:
			return job.Dead(job.ReasonPermanent, errors.New("no such\nuser"))
		}
	}})
	for range 3 {
		pipelinetest.Receive(t, seen, "an attempt")
	}
	pipelinetest.Eventually(t, "a dead letter", func() bool { return len(pipelinetest.DeadLetters(t, p, deadletter.Filter{})) == 1 })
	letter, _ := pipelinetest.DeadLetter(t, p)
	if letter.Stage != "check" || letter.Reason != job.ReasonPermanent || letter.Attempts != 3 || letter.Worker != "worker-1" ||
		letter.Error != "permanent: no such user" || letter.FirstStoredAt.Before(enqueued.Add(-time.Second)) || letter.DeadAt.Before(letter.FirstStoredAt) {
		t.Errorf("got %+v, want stage, reason, attempts, error in one line, times and worker", letter)
	}

	well.Store(true)
	for range 2 { // the second time there is nothing left to do
		if err := deadletter.Replay(t.Context(), p, letter); err != nil {
			t.Fatalf("replay: %v", err)
		}
	}
	again := pipelinetest.Receive(t, seen, "the replayed job")
	if again.Attempt != 1 || !again.FirstStored.Equal(letter.FirstStoredAt) || string(again.Body) != `{"id":"job"}` || !again.Stored.After(letter.FirstStoredAt) {
		t.Errorf("got %+v, want the job with its attempts before it and its first time", again)
	}
	pipelinetest.Eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
	if len(seen) != 0 {
		t.Errorf("got %d more runs, want one replay", len(seen))
	}
	if left := pipelinetest.DeadLetters(t, p, deadletter.Filter{}); len(left) != 0 {
		t.Errorf("got %d letters left, want none", len(left))
	}
}

func TestReplayOfAJobThatIsQueuedAgainOnlyDropsTheDeadLetter(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	if err := deadletter.Replay(t.Context(), p, deadletter.Letter{ID: 1, Subject: "adhoc.here.job", Body: []byte("old")}); err != nil {
		t.Errorf("got %v, want nil: the job was enqueued again", err)
	}
	if stored, err := inspect.Count(t.Context(), p, topology.Adhoc); err != nil || stored != 1 {
		t.Errorf("got %d jobs, %v, want the one that lives", stored, err)
	}
}

// Any client with the right may write the headers of a dead letter: they must not
// allow to publish anywhere.
func TestDeadLetterWithoutAJobIsNotReplayed(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	for _, subject := range []string{"", "job", "tick.clock.0", "timer.at.a.b", "dead.REQUEST.x.1", "notice.dead_letter", "$KV.OTHER.key", "$JS.API.STREAM.DELETE.VEDETTE_MAIL"} {
		err := deadletter.Replay(t.Context(), p, deadletter.Letter{ID: 1, Subject: subject})
		if !errors.Is(err, deadletter.ErrNotReplayable) {
			t.Errorf("%q: got %v, want ErrNotReplayable", subject, err)
		}
	}
}

func TestReplayOfADeadStateAnnouncesThePresentState(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	states, err := p.Bucket(t.Context(), topology.States)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := states.Put(t.Context(), "site", []byte("present")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"site", "removed"} {
		letter := deadletter.Letter{ID: 1, Stage: "notify", Subject: "$KV.VEDETTE_STATE." + key, Body: []byte("past")}
		if err := deadletter.Replay(t.Context(), p, letter); err != nil {
			t.Errorf("%s: got %v, want nil", key, err)
		}
	}
	found, err := states.Get(t.Context(), "site")
	if err != nil || string(found.Value) != "present" || found.Revision != 2 {
		t.Errorf("got %+v, %v, want the present state, written once more", found, err)
	}
}

// A dead letter is stored before its job has left the queue. If a replay took that
// job for another one, it would be lost.
func TestReplayBeforeTheJobHasLeftItsQueueLosesNothing(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var well atomic.Bool
	done, dead, leave := make(chan struct{}, 1), make(chan deadletter.Letter, 1), make(chan struct{})
	pipelinetest.Serve(t, p, pool.Config{
		Handler: func(context.Context, pipeline.Delivery) error {
			if !well.Load() {
				return job.Dead(job.ReasonPermanent, errors.New("ill"))
			}
			done <- struct{}{}
			return nil
		},
		OnDeadLetter: func(_ context.Context, _ pipeline.Delivery, letter deadletter.Letter) error {
			dead <- letter
			<-leave
			return nil
		},
	})
	pipelinetest.Put(t, p, "job")
	pipelinetest.Receive(t, dead, "a dead letter")
	letter, ok := pipelinetest.DeadLetter(t, p)
	if !ok || letter.Sequence != 1 {
		t.Fatalf("got %+v, %v, want the dead letter for the first job", letter, ok)
	}
	well.Store(true)
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := deadletter.Replay(impatient, p, letter); !errors.Is(err, context.DeadlineExceeded) || len(pipelinetest.DeadLetters(t, p, deadletter.Filter{})) != 1 {
		t.Errorf("got %v, want a replay that waits until the job has left its queue", err)
	}
	close(leave)
	if err := deadletter.Replay(t.Context(), p, letter); err != nil {
		t.Errorf("got %v, want the job replayed", err)
	}
	pipelinetest.Receive(t, done, "the replayed job")
}
