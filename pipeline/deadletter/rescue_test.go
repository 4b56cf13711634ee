package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// Whatever settles a job in the server's place, or stops it from delivering one,
// must not leave it in the stream unseen, where it would block its subject.
func TestJobThatTheServerGaveUpOnBecomesADeadLetterAndItsSubjectFree(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	seen := make(chan struct{}, 10)
	pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		seen <- struct{}{}
		return job.RetryIn(errors.New("not yet"), 300*time.Millisecond)
	}})
	rescuer, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "rescue", Stream: topology.Advisory}, Handler: func(ctx context.Context, d pipeline.Delivery) error { return deadletter.Rescue(ctx, p, d) }})
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Run(t, rescuer)
	pipelinetest.Receive(t, seen, "an attempt")
	adhoc := p.Names().Stream(topology.Adhoc)
	consumer, err := p.JetStream().Consumer(t.Context(), adhoc, "test")
	if err != nil {
		t.Fatal(err)
	}
	config := consumer.CachedInfo().Config
	config.MaxDeliver = 1
	if _, err := p.JetStream().UpdateConsumer(t.Context(), adhoc, config); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Eventually(t, "a dead letter", func() bool { return len(pipelinetest.DeadLetters(t, p, deadletter.Filter{})) == 1 })
	letter, _ := pipelinetest.DeadLetter(t, p)
	if letter.Reason != job.ReasonStranded || letter.Subject != "adhoc.here.job" || string(letter.Body) != `{"id":"job"}` {
		t.Errorf("got %+v, want the job byte for byte, as stranded", letter)
	}
	pipelinetest.Eventually(t, "a free subject", func() bool {
		return p.Publish(t.Context(), pipeline.Message{Subject: "adhoc.here.job", Body: []byte("{}")}) == nil
	})
}

// The server reports removals by limits as terminations too.
func TestAdvisoriesOfOurOwnLimitsRaiseNoAlarm(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	advise := func(reason string) error {
		body := fmt.Sprintf(`{"type":"io.nats.jetstream.advisory.v1.terminated","stream":"VEDETTE_TICK","consumer":"schedule","stream_seq":7,"reason":%q}`, reason)
		return deadletter.Rescue(t.Context(), p, pipeline.Delivery{Body: []byte(body), Stored: time.Now()})
	}
	for _, reason := range []string{"Message deleted by stream limits", "Unacknowledged message was deleted", "poisoned"} {
		if err := advise(reason); err != nil {
			t.Errorf("%s: got %v, want nil", reason, err)
		}
	}
	if notice := pipelinetest.Receive(t, pipelinetest.Notices(t, p), "a notice"); !strings.Contains(notice.Summary, "poisoned") {
		t.Errorf("got %q, want a notice only about the job that was terminated by hand", notice.Summary)
	}
	stored, err := inspect.Count(t.Context(), p, topology.Notice)
	if err != nil || stored != 1 {
		t.Errorf("got %d notices, %v, want 1", stored, err)
	}
}
