package deadletter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

func TestDeadLettersAreFilteredByStageReasonAgeAndID(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	for _, id := range []string{"a", "b", "c"} {
		pipelinetest.Put(t, p, id)
	}
	reasons := map[string]job.Reason{"adhoc.here.a": job.ReasonInvalid, "adhoc.here.b": job.ReasonExpired, "adhoc.here.c": job.ReasonInvalid}
	pipelinetest.Serve(t, p, pool.Config{Stage: "check", Limit: 1, Handler: func(_ context.Context, d pipeline.Delivery) error {
		return job.Dead(reasons[d.Subject], errors.New("no"))
	}})
	pipelinetest.Eventually(t, "three letters", func() bool { return len(pipelinetest.DeadLetters(t, p, deadletter.Filter{})) == 3 })
	all := pipelinetest.DeadLetters(t, p, deadletter.Filter{})
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
		if got := len(pipelinetest.DeadLetters(t, p, c.filter)); got != c.want {
			t.Errorf("%s: got %d letters, want %d", c.name, got, c.want)
		}
	}
	// A subject finds its dead letter without reading the others.
	for _, want := range all {
		subject := topology.DeadSubject(topology.Adhoc, "test", want.Sequence)
		if got, found, err := deadletter.Find(t.Context(), p, subject); err != nil || !found || got.ID != want.ID || got.Reason != want.Reason {
			t.Errorf("%s: got %+v, %t, %v, want %+v", subject, got, found, err, want)
		}
	}
	if got, found, err := deadletter.Find(t.Context(), p, topology.DeadSubject(topology.Adhoc, "x", 1)); err != nil || found {
		t.Errorf("got %+v, %v, want none", got, err)
	}
	count, err := inspect.Count(t.Context(), p, topology.Dead)
	if err != nil || count != 3 {
		t.Errorf("got %d, %v, want 3", count, err)
	}
}

func TestDroppingADeadLetterTwiceIsNoError(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		return job.Dead(job.ReasonInvalid, errors.New("no"))
	}})
	pipelinetest.Eventually(t, "a dead letter", func() bool { return len(pipelinetest.DeadLetters(t, p, deadletter.Filter{})) == 1 })
	letter, _ := pipelinetest.DeadLetter(t, p)
	for range 2 {
		if err := deadletter.Drop(t.Context(), p, letter.ID); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	}
	if count, err := inspect.Count(t.Context(), p, topology.Dead); err != nil || count != 0 {
		t.Errorf("got %d letters, %v, want none", count, err)
	}
}

// The reply subject of a publish is not checked against the publisher's rights,
// so the server itself can be made to put its answer into any stream.
func TestServerAnswerInAStreamBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	forged := nats.NewMsg("vedette.adhoc.here.a")
	forged.Reply = "vedette.mail.alert.forged"
	forged.Data = []byte("{}")
	if err := p.Conn().PublishMsg(forged); err != nil {
		t.Fatal(err)
	}
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "mail", Stream: topology.Mail}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		_, err := job.Decode[job.Mail](d.Body)
		return job.DeadFor(err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Run(t, workers)
	pipelinetest.Eventually(t, "a dead letter", func() bool { return len(pipelinetest.DeadLetters(t, p, deadletter.Filter{})) == 1 })
	if letter, _ := pipelinetest.DeadLetter(t, p); letter.Reason != job.ReasonMalformed || letter.Subject != "mail.alert.forged" {
		t.Errorf("got %+v, want the answer as a malformed mail", letter)
	}
}
