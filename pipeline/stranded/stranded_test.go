package stranded_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/stranded"
	"vedette/pipeline/topology"
)

// serve takes jobs from a consumer, and holds each until the test ends.
func serve(t *testing.T, p *pipeline.Pipeline, consumer topology.Consumer) (jobs <-chan pipeline.Delivery, stop func() error) {
	t.Helper()
	received := make(chan pipeline.Delivery, 100)
	workers, err := pool.New(p, pool.Config{Consumer: consumer, Grace: 100 * time.Millisecond, Handler: func(ctx context.Context, d pipeline.Delivery) error {
		received <- d
		<-ctx.Done()
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	return received, pipelinetest.Run(t, workers)
}

// bind creates a consumer on the server.
func bind(t *testing.T, p *pipeline.Pipeline, consumer topology.Consumer) {
	t.Helper()
	_, stop := serve(t, p, consumer)
	pipelinetest.Eventually(t, "the consumer", func() bool {
		_, err := p.JetStream().Consumer(t.Context(), p.Names().Stream(consumer.Stream), consumer.Name)
		return err == nil
	})
	_ = stop() // it may not have started completely
}

func publish(t *testing.T, p *pipeline.Pipeline, subject string, body []byte) {
	t.Helper()
	if err := p.Publish(t.Context(), pipeline.Message{Subject: subject, Body: body}); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, p *pipeline.Pipeline, now time.Time) []stranded.Job {
	t.Helper()
	found, err := stranded.Find(t.Context(), p, now)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func checkBody(t *testing.T, monitor string, slot time.Time) []byte {
	t.Helper()
	body, err := job.Encode(job.Check{V: job.Version, Monitor: monitor, Slot: slot, NotAfter: slot.Add(time.Minute), Spec: job.Spec{TCP: &job.TCP{Address: "192.0.2.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// The state of a consumer on disk may be newer than that of its stream: then the
// server never delivers the message, in none of its lives.
func TestCheckBelowTheFloorOfItsConsumerStaysUntilItIsRepaired(t *testing.T) {
	t.Parallel()
	i, consumer := newInstallation(t), topology.CheckConsumer("here")
	bind(t, i.p, consumer)
	now := time.Now()
	subject := topology.CheckSubject("here", "website")
	publish(t, i.p, subject, checkBody(t, "website", now.Add(-time.Hour).UTC().Truncate(time.Second)))
	for range 3 {
		i.restart(consumer, consumerState{floorConsumer: 1, floor: 1, deliveredConsumer: 1, delivered: 1})
		if found := find(t, i.p, now); len(found) != 1 || found[0].Subject != subject {
			t.Fatalf("got %+v after a restart, want the check", found)
		}
	}
	if err := i.p.Publish(t.Context(), pipeline.Message{Subject: subject, Body: []byte("{}")}); !errors.Is(err, pipeline.ErrOccupied) {
		t.Fatalf("got %v for the next slot, want that the subject is occupied", err)
	}
	watch := stranded.NewWatch(i.p)
	for range 3 {
		if err := watch.Check(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(stranded.Period)
	}
	var misses []job.Result
	if _, err := inspect.ReadSince(t.Context(), i.p, topology.Result, time.Hour, func(d pipeline.Delivery) {
		batch, err := job.Decode[job.Results](d.Body)
		if err != nil {
			t.Error(err)
		}
		misses = append(misses, batch.Results...)
	}); err != nil {
		t.Fatal(err)
	}
	if len(misses) != 1 || misses[0].Miss == nil || misses[0].Miss.Reason != job.MissLost || misses[0].Monitor != "website" {
		t.Errorf("got results %+v, want one miss with the reason lost", misses)
	}
	publish(t, i.p, subject, []byte("{}"))
	if found := find(t, i.p, now); len(found) != 0 {
		t.Errorf("got %+v, want none: the check for the next slot waits", found)
	}
}

// The server keeps the unsettled messages with the floor; one of them may be
// missing. Then the message is neither below the floor nor unsettled.
func TestCheckThatItsConsumerForgotIsFoundByCounting(t *testing.T) {
	t.Parallel()
	i, consumer := newInstallation(t), topology.CheckConsumer("here")
	bind(t, i.p, consumer)
	now := time.Now()
	for _, monitor := range []string{"held", "forgotten", "waiting"} {
		publish(t, i.p, topology.CheckSubject("here", monitor), checkBody(t, monitor, now.UTC().Truncate(time.Second)))
	}
	i.restart(consumer, consumerState{deliveredConsumer: 2, delivered: 2, pending: map[uint64]uint64{1: 1}})
	if found := find(t, i.p, now.Add(time.Minute)); len(found) != 0 {
		t.Errorf("got %+v after a minute, want none: a check may run for so long", found)
	}
	// Now the first one looks as old as the forgotten one, so it is not known which
	// one is held.
	if found := find(t, i.p, now.Add(time.Hour)); len(found) != 0 {
		t.Errorf("got %+v, want none while it is not certain", found)
	}
	jobs, stop := serve(t, i.p, consumer)
	for range 2 {
		pipelinetest.Receive(t, jobs, "the checks that the consumer knows")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// Once the older one is settled, the forgotten one is below the floor.
	acknowledge(t, i.p, consumer, 2)
	found := find(t, i.p, now)
	if len(found) != 1 || found[0].Subject != topology.CheckSubject("here", "forgotten") {
		t.Errorf("got %+v, want the forgotten check", found)
	}
}

// acknowledge settles jobs until a number has been settled.
func acknowledge(t *testing.T, p *pipeline.Pipeline, consumer topology.Consumer, n int) {
	t.Helper()
	done := make(chan struct{}, n)
	workers, err := pool.New(p, pool.Config{Consumer: consumer, Confirm: true, Handler: func(context.Context, pipeline.Delivery) error {
		done <- struct{}{}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	stop := pipelinetest.Run(t, workers)
	for range n {
		pipelinetest.Receive(t, done, "a job")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestJobsThatAreHeldOrWaitAreNotStranded(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "test"})
	jobs, _ := serve(t, p, topology.CheckConsumer("here"))
	publish(t, p, topology.CheckSubject("here", "held"), []byte("{}"))
	pipelinetest.Receive(t, jobs, "the check")
	publish(t, p, topology.CheckSubject("there", "without-a-worker"), []byte("{}"))
	publish(t, p, topology.AdhocSubject("here", "waits"), []byte("{}"))
	bind(t, p, topology.AdhocConsumer("there"))
	for _, later := range []time.Duration{0, time.Minute, 24 * time.Hour} {
		if found := find(t, p, time.Now().Add(later)); len(found) != 0 {
			t.Errorf("after %s: got %+v, want none", later, found)
		}
	}
}

func TestStrandedJobIsRepairedInAWayThatSuitsIt(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		consumer topology.Consumer
		subject  string
		later    time.Duration
		again    bool       // delivered again
		dead     job.Reason // why it is a dead letter
	}{
		"a check whose slot is not over": {consumer: topology.CheckConsumer("here"), subject: topology.CheckSubject("here", "website"), again: true},
		"a check whose slot is over":     {consumer: topology.CheckConsumer("here"), subject: topology.CheckSubject("here", "website"), later: time.Hour},
		"an ad-hoc check":                {consumer: topology.AdhocConsumer("here"), subject: topology.AdhocSubject("here", "a1"), dead: job.ReasonUndelivered},
		"a call":                         {consumer: topology.MailCallConsumer(), subject: topology.CallMailSubject("m1"), dead: job.ReasonUndelivered},
		"a mail":                         {consumer: topology.MailConsumer(job.MailAlert), subject: topology.MailSubject(job.MailAlert, "m1"), dead: job.ReasonUndelivered},
		"a mail from last week":          {consumer: topology.MailConsumer(job.MailAlert), subject: topology.MailSubject(job.MailAlert, "m1"), later: 7 * 24 * time.Hour, dead: job.ReasonStranded},
		"a timer":                        {consumer: topology.FlushConsumer(), subject: topology.TimerSubject(topology.TimerFlush, "f1"), again: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pipelinetest.New(t, pipeline.Config{Process: "test"})
			pipelinetest.Strand(t, p, c.consumer, pipeline.Message{Subject: c.subject, Body: checkBody(t, "website", now.UTC().Truncate(time.Second))})
			found := find(t, p, now)
			if len(found) != 1 {
				t.Fatalf("got %+v, want the job", found)
			}
			for range 2 { // by a second process too
				if err := stranded.Repair(t.Context(), p, found[0], now.Add(c.later)); err != nil {
					t.Fatal(err)
				}
			}
			if letter, there := pipelinetest.DeadLetter(t, p); there != (c.dead != "") || letter.Reason != c.dead {
				t.Errorf("got dead letter %+v, want reason %q", letter, c.dead)
			}
			if letters := pipelinetest.DeadLetters(t, p, deadletter.Filter{}); len(letters) > 1 {
				t.Errorf("got %d dead letters, want one at most", len(letters))
			}
			if left, err := inspect.ExistsOnLeader(t.Context(), p, c.consumer.Stream, c.subject); err != nil || left != c.again {
				t.Errorf("got the job in the queue: %t, %v, want %t", left, err, c.again)
			}
			if c.again {
				jobs, _ := serve(t, p, c.consumer)
				if got := pipelinetest.Receive(t, jobs, "the job"); got.Subject != c.subject {
					t.Errorf("got %s, want %s", got.Subject, c.subject)
				}
			}
		})
	}
}

// A notice follows when jobs are stranded again.
func TestOperatorsAreNotifiedWhenJobsAreStrandedAgain(t *testing.T) {
	t.Parallel()
	p, consumer := pipelinetest.New(t, pipeline.Config{Process: "test"}), topology.AdhocConsumer("here")
	notices := pipelinetest.Notices(t, p)
	watch, now := stranded.NewWatch(p), time.Now()
	for range 2 {
		if len(notices) != 0 {
			t.Error("got a notice for the first time, want a line in the log only")
		}
		pipelinetest.Strand(t, p, consumer, pipeline.Message{Subject: topology.AdhocSubject("here", "job"), Body: []byte("{}")})
		for range 2 {
			if err := watch.Check(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(stranded.Period)
		}
	}
	if got := pipelinetest.Receive(t, notices, "a notice"); got.Kind != job.NoticeStranded {
		t.Errorf("got %+v, want a notice about stranded jobs", got)
	}
}

// After a restart of the server inside the process nothing waits for the watch.
func TestCertainlyStrandedJobsAreRepairedAtOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "test"})
	for _, id := range []string{"a1", "a2"} {
		pipelinetest.Strand(t, p, topology.AdhocConsumer("here"), pipeline.Message{Subject: topology.AdhocSubject("here", id), Body: []byte("{}")})
	}
	for _, want := range []int{2, 0} {
		if got, err := stranded.RepairCertain(t.Context(), p); err != nil || got != want {
			t.Errorf("got %d repaired, %v, want %d", got, err, want)
		}
	}
	if letters := pipelinetest.DeadLetters(t, p, deadletter.Filter{Reasons: []job.Reason{job.ReasonUndelivered}}); len(letters) != 2 {
		t.Errorf("got %d dead letters that are replayed, want 2", len(letters))
	}
}
