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

// told are the kinds of notice that operators were given.
func told(t *testing.T, p *pipeline.Pipeline) []job.NoticeKind {
	t.Helper()
	var kinds []job.NoticeKind
	for _, n := range notices(t, p) {
		kinds = append(kinds, n.Kind)
	}
	return kinds
}

func TestWhoCannotReadWhomToTellLeavesTellingToNewerProcesses(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	common := &shared{p: p, log: slog.New(slog.DiscardHandler)}
	buckets, err := (&notifyStage{shared: common}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	words, err := notify.NewRenderer(notify.Templates{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := notify.New(notify.Config{
		Store: &ledgerStore{bucket: buckets[topology.Notifications]}, Outbox: &alertOutbox{p: p}, Deliveries: &deliveryStore{bucket: buckets[topology.Deliveries]}, Timers: &timers{p: p}, Renderer: words,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &notifyStage{shared: common, notifier: n, newer: &newerDefinitions{shared: common}}
	learn := func(key, body string) {
		a.learn(t.Context(), n, pipeline.Entry{Key: key, Value: []byte(body), Deleted: body == ""}, false)
	}
	silence := func(body string) {
		a.learnSilence(t.Context(), n, pipeline.Entry{Key: "s1", Value: []byte(body), Deleted: body == ""}, false)
	}
	steps := []struct {
		name string
		do   func()
		open bool
	}{
		{"a recipient that can be read", func() { learn(topology.RecipientKey("ops"), `{"v":1,"name":"ops","addresses":["ops@example.org"]}`) }, true},
		{"a mistake, which is no newer version", func() { learn(topology.RecipientKey("bad"), `{"v":1,"quantum":1}`) }, true},
		{"one of a newer version", func() { learn(topology.RecipientKey("ops"), `{"v":99,"quantum":1}`) }, false},
		{"settings of a newer version too", func() { learn(topology.SettingsKey, `{"v":99}`) }, false},
		{"the recipient removed", func() { learn(topology.RecipientKey("ops"), "") }, false},
		{"settings that can be read", func() { learn(topology.SettingsKey, `{"v":1}`) }, true},
		{"a silence of a newer version", func() { silence(`{"v":99}`) }, false},
		{"the silence removed", func() { silence("") }, true},
	}
	for _, step := range steps {
		step.do()
		if got := a.takingPool().Available(); got != step.open {
			t.Errorf("%s: got a pool that takes jobs %v, want %v", step.name, got, step.open)
		}
	}
	if kinds := told(t, p); len(kinds) != 1 || kinds[0] != job.NoticeNewer {
		t.Errorf("got notices %v, want operators told of it once", kinds)
	}
}

func TestParkedJobComesBackByAProcessThatReadsIt(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	o := &maintainStage{shared: &shared{p: p, log: slog.New(slog.DiscardHandler)}}
	digests, err := p.Bucket(t.Context(), topology.Digests)
	if err != nil {
		t.Fatal(err)
	}
	letter := func(reason job.Reason, body string) pipeline.Delivery {
		return pipeline.Delivery{Subject: "dead.REQUEST.request-default.1", Sequence: 1, Body: []byte(body), Stored: time.Now(), Header: map[string][]string{
			deadletter.HeaderReason: {string(reason)}, deadletter.HeaderSubject: {"adhoc.default.job"}, deadletter.HeaderStage: {StageCheck},
		}}
	}
	for name, c := range map[string]struct {
		reason job.Reason
		body   string
		parked bool
	}{
		"of a newer version":            {job.ReasonUnsupported, `{"v":99}`, true},
		"of a version that is read now": {job.ReasonUnsupported, `{"v":1}`, false},
		"dead for another reason":       {job.ReasonInvalid, `{"v":1}`, false},
	} {
		err := o.letter(t.Context(), digests, letter(c.reason, c.body))
		if retry, ok := errors.AsType[*job.RetryError](err); ok != c.parked || ok && (!retry.Uncounted || retry.After != parkedPeriod) {
			t.Errorf("%s: got %v, want it looked at again %v", name, err, c.parked)
		}
	}
	o.book.Set(job.Recipient{Name: "ops", Addresses: []string{"ops@example.org"}})
	o.book.SetSettings(job.Settings{Operators: []string{"ops"}})
	for _, again := range []bool{true, false} { // only the first time is it told
		d := letter(job.ReasonUnsupported, `{"v":99}`)
		d.Redelivered = again
		_ = o.letter(t.Context(), digests, d)
		_, err := digests.Get(t.Context(), digestKey)
		if told := err == nil; told == again {
			t.Errorf("given out again %v: got operators told %v (%v), want that the first time alone", again, told, err)
		}
	}
	if back, err := inspect.Count(t.Context(), p, topology.Adhoc); err != nil || back != 1 {
		t.Errorf("got %d jobs back in the queue, %v, want the one that can be read", back, err)
	}
}

func TestDigestOfANewerVersionIsNotReplaced(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	digests, err := p.Bucket(t.Context(), topology.Digests)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := digests.Put(t.Context(), digestKey, []byte(`{"v":99}`)); err != nil {
		t.Fatal(err)
	}
	o := &maintainStage{shared: &shared{p: p, log: slog.New(slog.DiscardHandler)}}
	o.book.Set(job.Recipient{Name: "ops", Addresses: []string{"ops@example.org"}})
	o.book.SetSettings(job.Settings{Operators: []string{"ops"}})
	if err := o.collect(t.Context(), digests, job.Notice{ID: "n"}); !errors.Is(err, job.ErrNewer) {
		t.Errorf("got %v, want it left to a newer process", err)
	}
	if found, err := digests.Get(t.Context(), digestKey); err != nil || string(found.Value) != `{"v":99}` {
		t.Errorf("got %s, %v, want it as it was", found.Value, err)
	}
}
