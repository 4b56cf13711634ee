package mailstatus

import (
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
)

func TestMailLogStates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var entries []pipeline.Entry
	for _, sent := range []job.Delivery{
		{ID: "a", State: job.DeliverySent, At: now.Add(-time.Hour)},
		{ID: "b", State: job.DeliverySending, At: now.Add(-time.Second)},
		{ID: "c", State: job.DeliverySending, At: now.Add(-time.Hour)},
		{ID: "d", State: job.DeliverySending, Reply: "lost", At: now},
		{ID: "e", State: job.DeliveryWithdrawn, At: now.Add(-2 * time.Hour)},
		{ID: "f", State: job.DeliveryDeferred, At: now.Add(-3 * time.Hour)},
		{ID: "g", State: job.DeliveryDeferred, DeadSubject: "dead.MAIL.mail-alert.1", At: now.Add(-4 * time.Hour)},
		{ID: "h", State: job.DeliverySending, Reply: "lost", DeadSubject: "dead.MAIL.mail-alert.2", At: now.Add(-5 * time.Hour)},
	} {
		body, err := job.Encode(sent)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, pipeline.Entry{Key: sent.ID, Value: body})
	}
	show := func(unknown bool) string {
		var got []string
		for _, line := range read(entries, unknown, now) {
			got = append(got, line.ID+"="+string(line.State))
		}
		return strings.Join(got, " ")
	}
	if got := show(false); got != "d=unknown b=sending a=sent c=unknown e=withdrawn f=deferred g=failed h=unknown" {
		t.Errorf("got %s", got)
	}
	if got := show(true); got != "d=unknown c=unknown h=unknown" {
		t.Errorf("got %s", got)
	}
}
