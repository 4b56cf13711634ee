package workers

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// noticeKinds returns the kinds of the stored notices.
func noticeKinds(t *testing.T, p *pipeline.Pipeline) []job.NoticeKind {
	t.Helper()
	var kinds []job.NoticeKind
	for _, n := range notices(t, p) {
		kinds = append(kinds, n.Kind)
	}
	return kinds
}

func TestProcessThatCannotReadADefinitionLeavesNotificationsToNewerProcesses(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	common := &shared{p: p, log: slog.New(slog.DiscardHandler)}
	s := &notifyStage{shared: common}
	buckets, err := pipeline.Buckets(t.Context(), p, notifyBuckets()...)
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := notify.NewRenderer(notify.Templates{})
	if err != nil {
		t.Fatal(err)
	}
	notifier, err := notify.New(notify.Config{
		Store: &notificationStore{bucket: buckets[topology.Notifications]}, Outbox: &alertOutbox{p: p}, Deliveries: &deliveryStore{bucket: buckets[topology.Deliveries]}, Timers: &timers{p: p}, Renderer: renderer,
		Lookup: &storedLookup{states: buckets[topology.States], definitions: buckets[topology.Monitors]},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &notifyJobs{notifyStage: s, notifier: notifier, newer: &newerDefinitions{shared: common}}
	define := func(key, body string) {
		n.setDefinition(t.Context(), pipeline.Entry{Key: key, Value: []byte(body), Deleted: body == ""}, false)
	}
	silence := func(body string) {
		n.setSilence(t.Context(), pipeline.Entry{Key: "s1", Value: []byte(body), Deleted: body == ""}, false)
	}
	steps := []struct {
		name      string
		do        func()
		available bool
	}{
		{"a readable recipient", func() { define(topology.RecipientKey("ops"), `{"v":1,"name":"ops","addresses":["ops@example.org"]}`) }, true},
		{"an invalid recipient", func() { define(topology.RecipientKey("bad"), `{"v":1,"quantum":1}`) }, true},
		{"a recipient from a newer version", func() { define(topology.RecipientKey("ops"), `{"v":99,"quantum":1}`) }, false},
		{"settings from a newer version too", func() { define(topology.SettingsKey, `{"v":99}`) }, false},
		{"the recipient removed", func() { define(topology.RecipientKey("ops"), "") }, false},
		{"readable settings", func() { define(topology.SettingsKey, `{"v":1}`) }, true},
		{"a silence from a newer version", func() { silence(`{"v":99}`) }, false},
		{"the silence removed", func() { silence("") }, true},
	}
	for _, step := range steps {
		step.do()
		if got := n.statePool().Available(); got != step.available {
			t.Errorf("after %s: got available %v, want %v", step.name, got, step.available)
		}
	}
	if kinds := noticeKinds(t, p); len(kinds) != 1 || kinds[0] != job.NoticeNewer {
		t.Errorf("got notices %v, want one, for the newer version", kinds)
	}
}

func newMaintainJobs(t *testing.T, p *pipeline.Pipeline) *maintainJobs {
	t.Helper()
	digests, err := p.Bucket(t.Context(), topology.Digests)
	if err != nil {
		t.Fatal(err)
	}
	return &maintainJobs{maintainStage: &maintainStage{shared: &shared{p: p, log: slog.New(slog.DiscardHandler)}}, digests: digests}
}

func TestParkedJobReturnsToItsQueueOnceItCanBeRead(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	m := newMaintainJobs(t, p)
	dead := func(reason job.Reason, body string) pipeline.Delivery {
		return pipeline.Delivery{Subject: "dead.ADHOC.adhoc-default.1", Sequence: 1, Body: []byte(body), Stored: time.Now(), Header: map[string][]string{
			deadletter.HeaderReason: {string(reason)}, deadletter.HeaderSubject: {"adhoc.default.job"}, deadletter.HeaderStage: {StageCheck},
		}}
	}
	for name, c := range map[string]struct {
		reason job.Reason
		body   string
		parked bool
	}{
		"from a newer version":                {job.ReasonUnsupported, `{"v":99}`, true},
		"from a version that is readable now": {job.ReasonUnsupported, `{"v":1}`, false},
		"dead for another reason":             {job.ReasonInvalid, `{"v":1}`, false},
	} {
		err := m.deadLetter(t.Context(), dead(c.reason, c.body))
		if retry, ok := errors.AsType[*job.RetryError](err); ok != c.parked || ok && (!retry.Uncounted || retry.After != parkedPeriod) {
			t.Errorf("%s: got %v, want parked again %v", name, err, c.parked)
		}
	}
	m.directory.Set(job.Recipient{Name: "ops", Addresses: []string{"ops@example.org"}})
	m.directory.SetSettings(job.Settings{Operators: []string{"ops"}})
	for _, redelivered := range []bool{true, false} {
		d := dead(job.ReasonUnsupported, `{"v":99}`)
		d.Redelivered = redelivered
		_ = m.deadLetter(t.Context(), d)
		_, err := m.digests.Get(t.Context(), digestKey)
		if notified := err == nil; notified == redelivered {
			t.Errorf("redelivered %v: got notified %v (%v), want a notice only at the first delivery", redelivered, notified, err)
		}
	}
	if back, err := inspect.Count(t.Context(), p, topology.Adhoc); err != nil || back != 1 {
		t.Errorf("got %d jobs back in the queue, %v, want the readable one", back, err)
	}
}

func TestDigestFromANewerVersionIsNotReplaced(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	m := newMaintainJobs(t, p)
	if _, err := m.digests.Put(t.Context(), digestKey, []byte(`{"v":99}`)); err != nil {
		t.Fatal(err)
	}
	m.directory.Set(job.Recipient{Name: "ops", Addresses: []string{"ops@example.org"}})
	m.directory.SetSettings(job.Settings{Operators: []string{"ops"}})
	if err := m.collect(t.Context(), job.Notice{ID: "n"}); !errors.Is(err, job.ErrNewer) {
		t.Errorf("got %v, want it left to a newer process", err)
	}
	if found, err := m.digests.Get(t.Context(), digestKey); err != nil || string(found.Value) != `{"v":99}` {
		t.Errorf("got %s, %v, want it unchanged", found.Value, err)
	}
}
