package mail_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"vedette/pipeline/job"
	"vedette/workers/mail"
)

// On a full disk neither the record nor the end of the job is stored, so that the
// job comes again, also to a worker that replaces the first one in the process.
func TestMailThatCouldNotBeRecordedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, accepted, sent := &memoryDeliveries{writeFrom: 1, writeFails: 100}, &mail.Accepted{}, 0
		handle := func() error {
			w, err := mail.NewWorker(mail.WorkerConfig{Transport: counting(&sent), Deliveries: l, Accepted: accepted, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			return w.Handle(t.Context(), order("m1"), mail.Attempt{Stored: time.Now()})
		}
		if err := handle(); err != nil {
			t.Errorf("got %v, want the job done", err)
		}
		<-time.After(time.Minute)
		var retry *job.RetryError
		if err := handle(); !errors.As(err, &retry) || !retry.Uncounted {
			t.Errorf("got %v while nothing can be stored, want the job back in its queue, without a counted attempt", err)
		}
		l.writeFails = 0
		for range 2 {
			if err := handle(); err != nil {
				t.Error(err)
			}
		}
		if found := l.sent["m1"]; sent != 1 || found.State != job.DeliverySent || found.Relay != "relay:25" {
			t.Errorf("got %d mails and %+v, want one, recorded as sent", sent, found)
		}
	})
}
