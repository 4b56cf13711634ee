package workers

import (
	"sync"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

func newDeliveryStore(t *testing.T) *deliveryStore {
	t.Helper()
	p := pipelinetest.New(t, pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	return &deliveryStore{bucket: bucket}
}

func attempt(id string, at time.Time) job.Delivery {
	return job.Delivery{V: job.Version, ID: id, State: job.DeliverySending, At: at}
}

func TestMailIsEitherSentOrWithdrawn(t *testing.T) {
	t.Parallel()
	l, at := newDeliveryStore(t), time.Now().UTC()
	for round := range 50 {
		id := job.DeriveID("mail", string(rune('a'+round)))
		var begun, withdrawn job.Delivery
		var group sync.WaitGroup
		group.Go(func() {
			var err error
			if begun, err = l.Begin(t.Context(), attempt(id, at)); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			var err error
			if withdrawn, err = l.Withdraw(t.Context(), id, at); err != nil {
				t.Error(err)
			}
		})
		group.Wait()
		if begun.State != withdrawn.State || begun.State != job.DeliverySending && begun.State != job.DeliveryWithdrawn {
			t.Fatalf("got %+v from Begin and %+v from Withdraw, want the same state", begun, withdrawn)
		}
	}
}

func TestDeferredMailCanBeWithdrawn(t *testing.T) {
	t.Parallel()
	l, at := newDeliveryStore(t), time.Now().UTC()
	if sent, err := l.Begin(t.Context(), attempt("m1", at)); err != nil || sent.State != job.DeliverySending {
		t.Fatalf("got %+v, %v, want it sending", sent, err)
	}
	if sent, err := l.Withdraw(t.Context(), "m1", at); err != nil || sent.State == job.DeliveryWithdrawn {
		t.Fatalf("got %+v, %v, want it still sending", sent, err)
	}
	if err := l.Record(t.Context(), job.Delivery{V: 1, ID: "m1", At: at, State: job.DeliveryDeferred}); err != nil {
		t.Fatal(err)
	}
	if sent, err := l.Withdraw(t.Context(), "m1", at); err != nil || sent.State != job.DeliveryWithdrawn {
		t.Fatalf("got %+v, %v, want it withdrawn", sent, err)
	}
	if sent, err := l.Begin(t.Context(), attempt("m1", at)); err != nil || sent.State == job.DeliverySending {
		t.Fatalf("got %+v, %v, want it still withdrawn", sent, err)
	}
	if err := l.Record(t.Context(), job.Delivery{V: 1, ID: "m2", At: at, State: job.DeliverySent}); err != nil {
		t.Fatal(err)
	}
	if sent, err := l.Withdraw(t.Context(), "m2", at); err != nil || sent.State != job.DeliverySent {
		t.Errorf("got %+v, %v, want it still sent", sent, err)
	}
}

func TestAttemptHoldsTheMailForItsLease(t *testing.T) {
	t.Parallel()
	l, at := newDeliveryStore(t), time.Now().UTC()
	for _, c := range []struct{ begin, want time.Time }{
		{at, at},
		{at.Add(time.Second), at},
		{at.Add(job.AttemptLease), at.Add(job.AttemptLease)},
	} {
		sent, err := l.Begin(t.Context(), attempt("m1", c.begin))
		if err != nil || sent.State != job.DeliverySending || !sent.At.Equal(c.want) {
			t.Errorf("got %+v, %v for an attempt at %s, want the one begun at %s", sent, err, c.begin, c.want)
		}
	}
}

func TestOnlyAllowedMailsMayBeEnqueued(t *testing.T) {
	t.Parallel()
	allow := AllowedMails{From: []string{"*@example.org"}, Recipients: []string{"*@example.org", "boss@example.com"}}
	for to, want := range map[string]bool{
		"a@example.org": true, "Boss <BOSS@Example.com>": true, "b@example.com": false, "a@example.org.evil.test": false,
	} {
		if err := allow.check(job.Mail{ID: "m", To: to}); (err == nil) != want {
			t.Errorf("%s: got %v, want allowed %v", to, err, want)
		}
	}
	for name, m := range map[string]job.Mail{
		"from": {To: "a@example.org", From: "a@example.com"}, "cc": {To: "a@example.org", CC: []string{"b@example.com"}},
		"shown": {To: "a@example.org", ShownTo: []string{"b@example.com"}},
	} {
		if err := allow.check(m); err == nil {
			t.Errorf("%s: got no error, want it refused", name)
		}
	}
	if err := (AllowedMails{}).check(job.Mail{To: "someone@example.test", From: "x@example.test"}); err != nil {
		t.Errorf("got %v without a list, want all allowed", err)
	}
}
