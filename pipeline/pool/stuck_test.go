package pool_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// hangForTheStack is a function with a name that its stack shows.
func hangForTheStack(release <-chan struct{}) { <-release }

func hangUnnoticed(release <-chan struct{}) { <-release }

func TestStuckJobLosesItsSlotItsSayAndItsPen(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.States)
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Put(t, p, "stuck")
	pipelinetest.Put(t, p, "good")
	release := make(chan struct{})
	seen, writes := make(chan string, 10), make(chan error, 10)
	workers, _ := pipelinetest.Serve(t, p, pool.Config{
		Limit: 1, Timeout: 50 * time.Millisecond, Grace: 50 * time.Millisecond, AckWait: 300 * time.Millisecond,
		Backoff: pool.Backoff{Initial: time.Hour, Jitter: 0.1},
		Handler: func(ctx context.Context, d pipeline.Delivery) error {
			seen <- d.Subject
			if d.Subject == "adhoc.here.stuck" {
				hangForTheStack(release)
				ctx = context.WithoutCancel(ctx) // it tries to get round the end of its context
				message := pipeline.Message{Subject: topology.ResultSubject(0), Body: []byte("late")}
				writes <- p.Publish(ctx, message)
				writes <- p.PublishAll(ctx, []pipeline.Message{message})[0]
				writes <- p.Reply(ctx, "unknown.1", []byte("late"))
				_, err := bucket.Put(ctx, "a", []byte("late"))
				writes <- err
				_, err = bucket.CompareAndSwap(ctx, "a", []byte("late"), 0)
				writes <- err
				writes <- bucket.Delete(ctx, "a")
			}
			return nil
		},
	})
	if got := pipelinetest.Receive(t, seen, "the stuck job"); got != "adhoc.here.stuck" {
		t.Fatalf("got %s, want the stuck job first", got)
	}
	if got := pipelinetest.Receive(t, seen, "the good job"); got != "adhoc.here.good" {
		t.Fatalf("got %s, want the good job in the slot of the stuck one", got)
	}
	close(release) // the stuck handler goes on, too late
	for range 6 {
		if got := pipelinetest.Receive(t, writes, "a late write"); !errors.Is(got, pipeline.ErrFenced) {
			t.Errorf("got %v for a late write, want ErrFenced", got)
		}
	}
	pipelinetest.Eventually(t, "one job unsettled: the stuck one, waiting for its next attempt", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 1 && queue.Unsettled == 1
	})
	if got := workers.Status().Stuck; got != 1 {
		t.Errorf("got %d stuck, want 1", got)
	}
}

func TestStuckJobIsANoticeWithItsOwnStack(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{Process: "worker-1"})
	pipelinetest.Put(t, p, "stuck")
	pipelinetest.Put(t, p, "slow")
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	pipelinetest.Serve(t, p, pool.Config{
		Stage: "check", Timeout: time.Minute, Grace: 50 * time.Millisecond, AckWait: 300 * time.Millisecond,
		Handler: func(_ context.Context, d pipeline.Delivery) error {
			if d.Subject == "adhoc.here.slow" {
				hangUnnoticed(release)
			}
			return nil
		},
	})
	other, err := pool.New(p, pool.Config{
		Consumer: topology.Consumer{Name: "stuck", Stream: topology.Mail}, Stage: "mail", Timeout: 50 * time.Millisecond, Grace: 50 * time.Millisecond, AckWait: 300 * time.Millisecond,
		Handler: func(context.Context, pipeline.Delivery) error {
			hangForTheStack(release)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	pipelinetest.Run(t, other)
	if err := p.Publish(t.Context(), pipeline.Message{Subject: topology.MailSubject(job.MailAlert, "m1"), Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	notice := pipelinetest.Receive(t, pipelinetest.Notices(t, p), "a notice")
	if notice.Kind != job.NoticeStuckJob || notice.Source != "worker-1" || !strings.Contains(notice.Summary, "mail.alert.m1") || !strings.Contains(notice.Summary, "stage mail") {
		t.Errorf("got %+v, want the stage, the job and the process", notice)
	}
	if !strings.Contains(notice.Detail, "hangForTheStack") || strings.Contains(notice.Detail, "hangUnnoticed") {
		t.Errorf("got stack\n%s\nwant that of the stuck handler alone", notice.Detail)
	}
}
