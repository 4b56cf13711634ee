package pipeline_test

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

func TestDeadLetterTellsEverythingAndReplayGivesTheJobBackOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "worker-1"})
	ordered := time.Now()
	put(t, p, "job")
	var well atomic.Bool
	seen := make(chan pipeline.Delivery, 10)
	workers, _ := serve(t, p, pool.Config{Stage: "check", Backoff: pool.Backoff{Initial: time.Millisecond}, Handler: func(_ context.Context, d pipeline.Delivery) error {
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
		receive(t, seen, "an attempt")
	}
	eventually(t, "a dead letter", func() bool { return len(deadLetters(t, p, deadletter.Filter{})) == 1 })
	letter, _ := deadLetter(t, p)
	if letter.Stage != "check" || letter.Reason != job.ReasonPermanent || letter.Attempts != 3 || letter.Worker != "worker-1" ||
		letter.Error != "permanent: no such user" || letter.FirstStoredAt.Before(ordered.Add(-time.Second)) || letter.DeadAt.Before(letter.FirstStoredAt) {
		t.Errorf("got %+v, want stage, reason, attempts, error in one line, times and worker", letter)
	}

	well.Store(true)
	for range 2 { // the second time there is nothing left to do
		if err := deadletter.Replay(t.Context(), p, letter); err != nil {
			t.Fatalf("replay: %v", err)
		}
	}
	again := receive(t, seen, "the replayed job")
	if again.Attempt != 1 || !again.FirstStored.Equal(letter.FirstStoredAt) || string(again.Body) != `{"id":"job"}` || !again.Stored.After(letter.FirstStoredAt) {
		t.Errorf("got %+v, want the job with its attempts before it and its first time", again)
	}
	eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
	if len(seen) != 0 {
		t.Errorf("got %d more runs, want one replay", len(seen))
	}
	if left := deadLetters(t, p, deadletter.Filter{}); len(left) != 0 {
		t.Errorf("got %d letters left, want none", len(left))
	}
}

func TestLettersAreFilteredByStageReasonAgeAndID(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	for _, id := range []string{"a", "b", "c"} {
		put(t, p, id)
	}
	reasons := map[string]job.Reason{"adhoc.here.a": job.ReasonInvalid, "adhoc.here.b": job.ReasonExpired, "adhoc.here.c": job.ReasonInvalid}
	serve(t, p, pool.Config{Stage: "check", Limit: 1, Handler: func(_ context.Context, d pipeline.Delivery) error {
		return job.Dead(reasons[d.Subject], errors.New("no"))
	}})
	eventually(t, "three letters", func() bool { return len(deadLetters(t, p, deadletter.Filter{})) == 3 })
	all := deadLetters(t, p, deadletter.Filter{})
	cases := []struct {
		name   string
		filter deadletter.Filter
		want   int
	}{
		{"reason", deadletter.Filter{Reasons: []job.Reason{job.ReasonInvalid}}, 2},
		{"two reasons", deadletter.Filter{Reasons: []job.Reason{job.ReasonInvalid, job.ReasonExpired}}, 3},
		{"stage", deadletter.Filter{Stages: []string{"mail"}}, 0},
		{"id", deadletter.Filter{IDs: []uint64{all[1].ID}}, 1},
		{"ids and reason", deadletter.Filter{IDs: []uint64{all[0].ID, all[1].ID, all[2].ID}, Reasons: []job.Reason{job.ReasonExpired}}, 1},
		{"unknown id", deadletter.Filter{IDs: []uint64{99}}, 0},
		{"before", deadletter.Filter{Before: all[1].DeadAt}, 1},
		{"after", deadletter.Filter{After: all[1].DeadAt}, 1},
	}
	for _, c := range cases {
		if got := len(deadLetters(t, p, c.filter)); got != c.want {
			t.Errorf("%s: got %d letters, want %d", c.name, got, c.want)
		}
	}
	count, err := inspect.Count(t.Context(), p, topology.Dead)
	if err != nil || count != 3 {
		t.Errorf("got %d, %v, want 3", count, err)
	}
}

func TestDroppingALetterTwiceIsDroppingItOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		return job.Dead(job.ReasonInvalid, errors.New("no"))
	}})
	eventually(t, "a letter", func() bool { return len(deadLetters(t, p, deadletter.Filter{})) == 1 })
	letter, _ := deadLetter(t, p)
	for range 2 {
		if err := deadletter.Drop(t.Context(), p, letter.ID); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	}
	if count, err := inspect.Count(t.Context(), p, topology.Dead); err != nil || count != 0 {
		t.Errorf("got %d letters, %v, want none", count, err)
	}
}

func TestReplayOfWhatLivesAgainDropsTheLetterAlone(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	if err := deadletter.Replay(t.Context(), p, deadletter.Letter{ID: 1, Subject: "adhoc.here.job", Body: []byte("old")}); err != nil {
		t.Errorf("got %v, want nil: the job was ordered anew", err)
	}
	if stored, err := inspect.Count(t.Context(), p, topology.Adhoc); err != nil || stored != 1 {
		t.Errorf("got %d jobs, %v, want the one that lives", stored, err)
	}
}

// A letter's headers are what somebody wrote: they must not become a way to
// publish anywhere.
func TestLetterThatNamesNoJobIsNotReplayed(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	for _, subject := range []string{"", "job", "tick.clock.0", "timer.at.a.b", "dead.REQUEST.x.1", "notice.dead_letter", "$KV.OTHER.key", "$JS.API.STREAM.DELETE.VEDETTE_MAIL"} {
		err := deadletter.Replay(t.Context(), p, deadletter.Letter{ID: 1, Subject: subject})
		if !errors.Is(err, deadletter.ErrNotReplayable) {
			t.Errorf("%q: got %v, want ErrNotReplayable", subject, err)
		}
	}
}

func TestReplayOfAStatesLetterAnnouncesThePresentState(t *testing.T) {
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

func TestPoolOverDeadLettersBuriesNothing(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		return job.Dead(job.ReasonInvalid, errors.New("no"))
	}})
	seen := make(chan deadletter.Letter, 10)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "letters", Stream: topology.Dead}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		seen <- deadletter.Read(d)
		return job.Dead(job.ReasonInvalid, errors.New("not this either"))
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, workers)
	if letter := receive(t, seen, "a letter"); letter.Reason != job.ReasonInvalid || letter.Subject != "adhoc.here.job" {
		t.Errorf("got %+v, want the letter of the job", letter)
	}
	eventually(t, "a settled letter", func() bool { return workers.Status().Failed == 1 })
	if count, err := inspect.Count(t.Context(), p, topology.Dead); err != nil || count != 1 {
		t.Errorf("got %d letters, %v, want no letter about a letter", count, err)
	}
}

func TestBuriedIsCalledUntilItSucceeds(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	told := make(chan deadletter.Letter, 10)
	var calls atomic.Int64
	workers, _ := serve(t, p, pool.Config{
		AckWait: 300 * time.Millisecond,
		Handler: func(context.Context, pipeline.Delivery) error { return job.Dead(job.ReasonInvalid, errors.New("no")) },
		OnDeadLetter: func(_ context.Context, _ pipeline.Delivery, letter deadletter.Letter) error {
			if calls.Add(1) == 1 {
				return errors.New("cannot be told at the moment")
			}
			told <- letter
			return nil
		},
	})
	if letter := receive(t, told, "word of the letter"); letter.Reason != job.ReasonInvalid {
		t.Errorf("got %+v, want the letter", letter)
	}
	eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
	if count, err := inspect.Count(t.Context(), p, topology.Dead); err != nil || count != 1 {
		t.Errorf("got %d letters, %v, want 1 for the one job", count, err)
	}
}

// A letter is there before its job has left the queue. To take that job for
// another, which lives again, would lose it.
func TestReplayInTheMomentOfBuryingLosesNothing(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	var well atomic.Bool
	done, buried, leave := make(chan struct{}, 1), make(chan deadletter.Letter, 1), make(chan struct{})
	serve(t, p, pool.Config{
		Handler: func(context.Context, pipeline.Delivery) error {
			if !well.Load() {
				return job.Dead(job.ReasonPermanent, errors.New("ill"))
			}
			done <- struct{}{}
			return nil
		},
		OnDeadLetter: func(_ context.Context, _ pipeline.Delivery, letter deadletter.Letter) error {
			buried <- letter
			<-leave
			return nil
		},
	})
	put(t, p, "job")
	receive(t, buried, "a letter")
	letter, ok := deadLetter(t, p)
	if !ok || letter.Sequence != 1 {
		t.Fatalf("got %+v, %v, want the letter of the first job", letter, ok)
	}
	well.Store(true)
	impatient, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := deadletter.Replay(impatient, p, letter); !errors.Is(err, context.DeadlineExceeded) || len(deadLetters(t, p, deadletter.Filter{})) != 1 {
		t.Errorf("got %v, want a replay that waits until the job has left its queue", err)
	}
	close(leave)
	if err := deadletter.Replay(t.Context(), p, letter); err != nil {
		t.Errorf("got %v, want the job replayed", err)
	}
	receive(t, done, "the replayed job")
}
