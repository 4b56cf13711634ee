package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/producer"
	"vedette/workers"
)

// gate is a prober whose checks wait until it is opened.
type gate struct {
	began chan string
	open  chan struct{}
}

func newGate() *gate { return &gate{began: make(chan string, 1000), open: make(chan struct{})} }

func (g *gate) Check(ctx context.Context, spec job.Spec) job.ProbeResult {
	g.began <- spec.Target()
	select {
	case <-g.open:
	case <-ctx.Done():
	}
	return job.ProbeResult{Health: job.Up}
}

// clientOf is a client of a pipeline on which workers work.
func clientOf(t *testing.T, p *pipeline.Pipeline, config workers.Config) *producer.Client {
	t.Helper()
	config.Pipeline, config.Stages = p, append(config.Stages, workers.StageCheck)
	w, err := workers.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		cancel()
		<-done
	})
	return client
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func tcp(address string) job.Spec { return job.Spec{TCP: &job.TCP{Address: address}} }

func TestCallThatTimesOutIsPendingAndItsOutcomeIsThereLater(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	g := newGate()
	client := clientOf(t, p, workers.Config{Prober: g})
	short, cancel := context.WithCancel(t.Context())
	go func() {
		<-g.began
		cancel() // the caller loses its patience while the check runs
	}()
	answer, err := client.Check(short, job.Check{Spec: tcp("a:1")})
	if !errors.Is(err, producer.ErrPending) || answer.ID == "" || answer.Kind != job.JobCheck {
		t.Fatalf("got %+v, %v, want ErrPending with an id", answer, err)
	}
	if _, err := client.Outcome(t.Context(), job.JobCheck, answer.ID); !errors.Is(err, producer.ErrPending) {
		t.Errorf("got %v, want ErrPending while it runs", err)
	}
	close(g.open)
	eventually(t, "an outcome", func() bool {
		found, err := client.Outcome(t.Context(), job.JobCheck, answer.ID)
		return err == nil && found.Check != nil && found.Check.ProbeResult.Health == job.Up && found.Attempts == 1
	})
	if _, err := client.Outcome(t.Context(), job.JobCheck, "nobody-ordered-this"); !errors.Is(err, producer.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}

func TestSecondOrderOfALiveIDIsADuplicateWithoutEffectWhicheverTheVerb(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	g := newGate()
	client := clientOf(t, p, workers.Config{Prober: g})
	check := job.Check{ID: "mine", Spec: tcp("a:1")}
	if id, err := client.EnqueueCheck(t.Context(), check); err != nil || id != "mine" {
		t.Fatalf("got %q, %v, want the id", id, err)
	}
	<-g.began
	if _, err := client.EnqueueCheck(t.Context(), check); !errors.Is(err, producer.ErrDuplicate) {
		t.Errorf("cast: got %v, want ErrDuplicate", err)
	}
	if _, err := client.Check(t.Context(), check); !errors.Is(err, producer.ErrDuplicate) {
		t.Errorf("call: got %v, want ErrDuplicate", err)
	}
	elsewhere := check
	elsewhere.Location = "elsewhere"
	if _, err := client.EnqueueCheck(t.Context(), elsewhere); !errors.Is(err, producer.ErrDuplicate) {
		t.Errorf("elsewhere: got %v, want ErrDuplicate", err)
	}
	close(g.open)
	eventually(t, "an outcome", func() bool {
		_, err := client.Outcome(t.Context(), job.JobCheck, "mine")
		return err == nil
	})
	if len(g.began) != 0 {
		t.Errorf("got %d more checks, want none", len(g.began))
	}
	// What is done is no longer live: the id may be used again, and the answer is
	// the new one.
	before, err := client.Outcome(t.Context(), job.JobCheck, "mine")
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.Check(within(t), check)
	if err != nil || !again.At.After(before.At) {
		t.Errorf("got %+v, %v, want a new answer", again, err)
	}
}

func TestCallsDoNotWaitBehindABacklogOfCasts(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	slow := probeFunc(func(ctx context.Context, spec job.Spec) job.ProbeResult {
		if spec.Target() == "slow:1" {
			<-ctx.Done()
		}
		return job.ProbeResult{Health: job.Up}
	})
	client := clientOf(t, p, workers.Config{Prober: slow, Limits: workers.Limits{Adhoc: 2}, Grace: time.Second})
	for range 50 {
		if _, err := client.EnqueueCheck(t.Context(), job.Check{Spec: tcp("slow:1")}); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := client.Check(within(t), job.Check{Spec: tcp("quick:1")})
	if err != nil || answer.Check == nil || answer.Check.ProbeResult.Health != job.Up {
		t.Errorf("got %+v, %v, want an answer", answer, err)
	}
}

type probeFunc func(context.Context, job.Spec) job.ProbeResult

func (f probeFunc) Check(ctx context.Context, spec job.Spec) job.ProbeResult { return f(ctx, spec) }

func TestManyCallsAtOnceEachGetTheirOwnAnswer(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	echo := probeFunc(func(_ context.Context, spec job.Spec) job.ProbeResult {
		return job.ProbeResult{Health: job.Up, Address: spec.Target()}
	})
	client := clientOf(t, p, workers.Config{Prober: echo})
	ctx := within(t)
	var group sync.WaitGroup
	for i := range 500 {
		group.Go(func() {
			target := fmt.Sprintf("host-%d:1", i)
			answer, err := client.Check(ctx, job.Check{Spec: tcp(target)})
			if err != nil || answer.Check == nil || answer.Check.ProbeResult.Address != target {
				t.Errorf("%s: got %+v, %v, want its own answer", target, answer, err)
			}
		})
	}
	group.Wait()
}

func TestOrderThatCannotBeDoneIsAnsweredWithItsReason(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	client := clientOf(t, p, workers.Config{Prober: probeFunc(func(context.Context, job.Spec) job.ProbeResult { return job.ProbeResult{Health: job.Up} })})
	past := job.Check{ID: "late", NotAfter: time.Now().Add(-time.Minute), Spec: tcp("a:1")}
	answer, err := client.Check(within(t), past)
	if err != nil || answer.Failure == nil || answer.Failure.Reason != job.ReasonExpired {
		t.Errorf("got %+v, %v, want an answer that it expired", answer, err)
	}
	var later job.Outcome
	eventually(t, "a job that is settled, which it is after its answer", func() bool {
		later, err = client.Outcome(t.Context(), job.JobCheck, "late")
		return !errors.Is(err, producer.ErrPending)
	})
	if err != nil || later.Failure == nil || later.Failure.Reason != job.ReasonExpired || !strings.Contains(later.Failure.Error, "found not_after") {
		t.Errorf("got %+v, %v, want the same later", later, err)
	}
	// An order that would have a secret sent wherever who orders it likes.
	message := pipeline.Message{Subject: topology.AdhocSubject(job.DefaultLocation, "thief"), Body: []byte(`{"http": "http://a/${secret:API}"}`)}
	if err := p.Publish(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer to the thief", func() bool {
		answer, err := client.Outcome(t.Context(), job.JobCheck, "thief")
		return err == nil && answer.Failure != nil && answer.Failure.Reason == job.ReasonForbidden
	})
	// Bytes that are no job, under a subject that names one.
	message = pipeline.Message{Subject: topology.AdhocSubject(job.DefaultLocation, "broken"), Body: []byte("{")}
	if err := p.Publish(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an answer to the broken one", func() bool {
		answer, err := client.Outcome(t.Context(), job.JobCheck, "broken")
		return err == nil && answer.Failure != nil && answer.Failure.Reason == job.ReasonMalformed
	})
}

func TestWrongOrdersAreRefusedBeforeTheyAreStored(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	checks := map[string]job.Check{
		"probe":    {},
		"id":       {ID: "a b", Spec: tcp("a:1")},
		"location": {Location: "a.b", Spec: tcp("a:1")},
		"monitor":  {Monitor: "m", Spec: tcp("a:1")},
		"secrets":  {Spec: job.Spec{HTTP: &job.HTTP{URL: "http://a/${secret:API}"}}},
	}
	for want, check := range checks {
		if _, err := client.EnqueueCheck(t.Context(), check); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
	mails := map[string]job.Mail{
		"to":      {To: "nobody"},
		"subject": {To: "a@example.org", Subject: "a\nBcc: b@example.org"},
		"id":      {ID: "..", To: "a@example.org"},
	}
	for want, m := range mails {
		if _, err := client.Mail(t.Context(), m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that names %s", err, want)
		}
	}
}

func TestFullQueueIsFeltByTheClientWhichMayWait(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	messages := make([]pipeline.Message, 10_000) // as many as the stream of calls takes
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.CallCheckSubject("nowhere", strconv.Itoa(i)), Body: []byte("{}")}
	}
	for _, err := range p.PublishAll(t.Context(), messages) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, wait := range []bool{false, true} {
		client, err := producer.NewClient(producer.ClientConfig{Pipeline: p, Wait: wait})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		_, err = client.Check(ctx, job.Check{Spec: tcp("a:1")})
		if !errors.Is(err, pipeline.ErrFull) && (!wait || !errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("wait %v: got %v, want ErrFull, or the end of waiting", wait, err)
		}
		if waited := ctx.Err() != nil; waited != wait {
			t.Errorf("wait %v: got waiting %v", wait, waited)
		}
	}
}

func TestOrdersOnTheCommandLineAndWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	r.start()
	r.ready()
	expect := func(code int, part string, args ...string) {
		t.Helper()
		if output, got := r.vedette(args...); got != code || !strings.Contains(output, part) {
			t.Errorf("vedette %s: got %d %s, want %d and %q", strings.Join(args, " "), got, output, code, part)
		}
	}
	expect(0, "UP!", "enqueue", "check", x.url, "--id", "c1", "--wait", "20s")
	expect(0, "UP!", "outcome", "check", "c1")
	expect(0, `"health":"up"`, "outcome", "check", "c1", "--json")
	expect(0, "was accepted by", "enqueue", "mail", "--to", "you@example.org", "--subject", "[HELLO] you", "--text", "x", "--id", "m1", "--wait", "20s")
	expect(0, "was accepted by", "enqueue", "mail", "--to", "you@example.org", "--subject", "[HELLO] you", "--text", "x", "--id", "m1", "--wait", "20s")
	if got := box.Count("you@example.org", "[HELLO]"); got != 1 {
		t.Errorf("got %d mails, want one for two orders of one id", got)
	}
	expect(0, "c2", "enqueue", "check", x.url, "--id", "c2")
	x.setIll(true)
	expect(1, "DOWN!", "enqueue", "check", x.url, "--wait", "20s")
	expect(1, "expired", "enqueue", "check", x.url, "--expires", "-1s", "--wait", "20s")
	expect(1, "hint: the job stays in its queue: 'vedette outcome check c3' shows its outcome later", "enqueue", "check", x.url, "--location", "moon", "--id", "c3", "--wait", "100ms")
	expect(1, "is pending", "outcome", "check", "c3")
	expect(3, "hint: 'vedette outcome'", "enqueue", "check", x.url, "--location", "moon", "--id", "c3")
	expect(3, "no job with this id is known", "outcome", "mail", "never")
	expect(2, "expected one of check, mail", "outcome", "ping", "never")
	expect(2, `find command: found "pizza"`, "enqueue", "pizza")
	expect(2, `to: found ""`, "enqueue", "mail", "--subject", "s", "--text", "x")
	r.stop()
}
