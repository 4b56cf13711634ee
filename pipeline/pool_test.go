package pipeline_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// patience is how long a test waits for what should come; it is only ever
// spent by a test that fails.
const patience = time.Minute

func put(t *testing.T, p *pipeline.Pipeline, id string) {
	t.Helper()
	message := pipeline.Message{Subject: topology.AdhocSubject("here", id), Body: []byte(`{"id":"` + id + `"}`)}
	if err := p.Publish(t.Context(), message); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// serve runs a pool over the requests until the test ends or stop is called;
// stop returns what Serve returned.
func serve(t *testing.T, p *pipeline.Pipeline, config pool.Config) (workers *pool.Pool, stop func() error) {
	t.Helper()
	config.Consumer = topology.Consumer{Name: "test", Stream: topology.Adhoc}
	workers, err := pool.New(p, config)
	if err != nil {
		t.Fatalf("make pool: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- workers.Serve(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return workers, stop
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatalf("got nothing for %s, want %s", patience, what)
		panic("unreachable")
	}
}

// eventually waits for a fact of the server's that announces itself nowhere.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("got no change for %s, want %s", patience, what)
		case <-look.C:
		}
	}
}

// meter measures how many run at once.
type meter struct {
	mu      sync.Mutex
	running int
	most    int
	began   time.Time
	since   time.Time
	area    time.Duration // running, summed over time
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.began.IsZero() {
		m.began = now
	}
	m.area += time.Duration(m.running) * now.Sub(m.since)
	m.since = now
	m.running += n
	m.most = max(m.most, m.running)
}

// result is how many ran in the mean, and how many at once, until now.
func (m *meter) result() (mean float64, most int, length time.Duration) {
	m.add(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	length = m.since.Sub(m.began)
	return float64(m.area) / float64(length), m.most, length
}

func TestLimitOfFourIsNeverExceededAndAlwaysUsed(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const jobs, limit = 1000, 4
	for i := range jobs {
		put(t, p, strconv.Itoa(i))
	}
	var meter meter
	var left atomic.Int64
	left.Store(jobs)
	busy := make(chan struct{})
	serve(t, p, pool.Config{Limit: limit, Handler: func(context.Context, pipeline.Delivery) error {
		meter.add(1)
		defer meter.add(-1)
		length := 2 + rand.IntN(6)
		if rand.IntN(10) == 0 { // a few are long, so that waiting for them shows
			length = 40
		}
		task := time.NewTimer(time.Duration(length) * time.Millisecond)
		defer task.Stop()
		<-task.C
		if left.Add(-1) == limit { // from here on there is not enough work for all
			close(busy)
		}
		return nil
	}})
	receive(t, busy, "the end of the tasks")
	mean, most, length := meter.result()
	if most > limit {
		t.Errorf("got %d running at once, want at most %d", most, limit)
	}
	t.Logf("%.2f running in the mean, over %s", mean, length)
	// 3.9 and more on an idle machine. A pool that fills its slots only when all
	// are free comes to 1.9.
	if mean < 2.5 {
		t.Errorf("got %.2f running in the mean, want close to %d while work waits", mean, limit)
	}
}

func TestLimitCanBeChangedWhileThePoolServes(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	for i := range 40 {
		put(t, p, strconv.Itoa(i))
	}
	began, release := make(chan struct{}, 40), make(chan struct{})
	workers, _ := serve(t, p, pool.Config{Limit: 2, MaxLimit: 8, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}})
	running := func(want int) {
		t.Helper()
		eventually(t, strconv.Itoa(want)+" running", func() bool { return workers.Status().Running == want })
	}
	running(2)
	if err := workers.SetLimit(8); err != nil {
		t.Fatal(err)
	}
	running(8)
	if err := workers.SetLimit(3); err != nil {
		t.Fatal(err)
	}
	for range 6 { // what runs goes on; what ends is not replaced until three are left
		release <- struct{}{}
	}
	running(3)
	if got := workers.Status(); got.Limit != 3 {
		t.Errorf("got limit %d, want 3", got.Limit)
	}
	for _, wrong := range []int{0, -1, 9} {
		if err := workers.SetLimit(wrong); err == nil || !contains(err.Error(), "expected 1 to 8") {
			t.Errorf("limit %d: got %v, want an error with the range", wrong, err)
		}
	}
	close(release)
	for range 40 {
		receive(t, began, "each job")
	}
}

func TestPoolTakesTheOldestJobFirst(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const jobs = 100
	for i := range jobs {
		put(t, p, strconv.Itoa(i))
	}
	order := make(chan uint64, jobs)
	serve(t, p, pool.Config{Limit: 1, Handler: func(_ context.Context, d pipeline.Delivery) error {
		order <- d.Sequence
		return nil
	}})
	for i := range uint64(jobs) {
		if got := receive(t, order, "a job"); got != i+1 {
			t.Fatalf("got job %d at place %d, want the oldest first", got, i+1)
		}
	}
}

func TestPoolKeepsRunningAtItsLimitWhileWorkWaits(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const limit = 4
	for i := range 3 * limit {
		put(t, p, strconv.Itoa(i))
	}
	began, release := make(chan struct{}, 3*limit), make(chan struct{})
	workers, _ := serve(t, p, pool.Config{Limit: limit, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}})
	for range limit {
		receive(t, began, "a job in each slot")
	}
	for range 2 * limit {
		release <- struct{}{}
		receive(t, began, "the next job in the slot that came free")
		if got := workers.Status().Running; got > limit {
			t.Fatalf("got %d running, want at most %d", got, limit)
		}
	}
	queue, err := workers.Queue(t.Context(), time.Now())
	if err != nil {
		t.Fatalf("read queue: %v", err)
	}
	if queue.Waiting != 0 || queue.Unsettled < limit {
		t.Errorf("got %+v, want nothing waiting and %d or more unsettled", queue, limit)
	}
	close(release)
}

func TestWhatAHandlerReturnsIsTheFateOfItsJob(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	quick := pool.Backoff{Initial: time.Millisecond, Max: time.Millisecond}
	cases := []struct {
		name     string
		fate     func(attempt int) error
		attempts []int // as the handler sees them
		dead     job.Reason
	}{
		{"nil is done", func(int) error { return nil }, []int{1}, ""},
		{"an error is another attempt", failUntil(3, boom), []int{1, 2, 3}, ""},
		{"retry in is another attempt", failUntil(2, job.RetryIn(boom, time.Millisecond)), []int{1, 2}, ""},
		{"dead is a dead letter", func(int) error { return job.Dead(job.ReasonPermanent, boom) }, []int{1}, job.ReasonPermanent},
		{"a panic is another attempt", func(attempt int) error {
			if attempt < 3 {
				panic("boom")
			}
			return nil
		}, []int{1, 2, 3}, ""},
		{"five panics are a dead letter", func(int) error { panic("boom") }, []int{1, 2, 3, 4, 5}, job.ReasonPanic},
		{"a Goexit is another attempt", func(attempt int) error {
			if attempt < 2 {
				runtime.Goexit()
			}
			return nil
		}, []int{1, 2}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := pipelinetest.New(t, pipeline.Config{})
			put(t, p, "job")
			seen := make(chan int, 10)
			workers, _ := serve(t, p, pool.Config{Backoff: quick, Handler: func(_ context.Context, d pipeline.Delivery) error {
				seen <- d.Attempt
				return c.fate(d.Attempt)
			}})
			for _, want := range c.attempts {
				if got := receive(t, seen, "an attempt"); got != want {
					t.Fatalf("got attempt %d, want %d", got, want)
				}
			}
			eventually(t, "an empty queue", func() bool {
				queue, err := workers.Queue(t.Context(), time.Now())
				return err == nil && queue.Depth == 0
			})
			letter, found := deadLetter(t, p)
			if found != (c.dead != "") {
				t.Fatalf("got dead letter %v, want %q", found, c.dead)
			}
			if found && (letter.Reason != c.dead || string(letter.Body) != `{"id":"job"}` || letter.Subject != "adhoc.here.job") {
				t.Errorf("got %+v, want reason %s and the job byte for byte", letter, c.dead)
			}
		})
	}
}

func failUntil(attempt int, err error) func(int) error {
	return func(n int) error {
		if n < attempt {
			return err
		}
		return nil
	}
}

func deadLetter(t *testing.T, p *pipeline.Pipeline) (deadletter.Letter, bool) {
	t.Helper()
	letters := deadLetters(t, p, deadletter.Filter{})
	if len(letters) == 0 {
		return deadletter.Letter{}, false
	}
	return letters[0], true
}

func deadLetters(t *testing.T, p *pipeline.Pipeline, filter deadletter.Filter) []deadletter.Letter {
	t.Helper()
	var letters []deadletter.Letter
	err := deadletter.Each(t.Context(), p, filter, func(l deadletter.Letter) bool {
		letters = append(letters, l)
		return true
	})
	if err != nil {
		t.Fatalf("read dead letters: %v", err)
	}
	return letters
}

func TestInterruptionIsNoAttempt(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	attempts := make(chan int, 10)
	var calls atomic.Int64
	serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		if calls.Add(1) < 3 {
			return job.Interrupted(errors.New("relay away"), time.Millisecond)
		}
		return nil
	}})
	for range 3 {
		if got := receive(t, attempts, "a delivery"); got != 1 {
			t.Errorf("got attempt %d, want 1 at each delivery", got)
		}
	}
}

func TestStoppingPoolGivesItsJobsToAnotherAtOnceAndCountsNoAttempt(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	first := pipelinetest.Connect(t, b, pipeline.Config{Process: "first"})
	if err := first.Ensure(t.Context()); err != nil {
		t.Fatalf("install: %v", err)
	}
	second := pipelinetest.Connect(t, b, pipeline.Config{Process: "second"})
	put(t, first, "job")
	began := make(chan struct{}, 1)
	// An AckWait of a minute: only giving back can bring the job in time.
	_, stop := serve(t, first, pool.Config{AckWait: time.Minute, Grace: 50 * time.Millisecond, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}})
	receive(t, began, "the job in the first pool")
	if err := stop(); err != nil {
		t.Fatalf("got error %v, want a clean stop", err)
	}
	attempts := make(chan int, 1)
	serve(t, second, pool.Config{AckWait: time.Minute, Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		return nil
	}})
	if got := receive(t, attempts, "the job in the second pool"); got != 1 {
		t.Errorf("got attempt %d, want 1", got)
	}
}

func TestSlowJobIsHeldAndRunsOnce(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	const ackWait = 600 * time.Millisecond
	var calls atomic.Int64
	finished := make(chan struct{})
	serve(t, p, pool.Config{AckWait: ackWait, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		calls.Add(1)
		slow := time.NewTimer(3 * ackWait) // the slowness is what is tested
		defer slow.Stop()
		select {
		case <-slow.C:
		case <-ctx.Done():
		}
		close(finished)
		return nil
	}})
	receive(t, finished, "the end of the job")
	if got := calls.Load(); got != 1 {
		t.Errorf("got %d runs, want 1", got)
	}
}

func TestPoolRestoresItsDeletedConsumer(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	seen := make(chan string, 10)
	serve(t, p, pool.Config{AckWait: 300 * time.Millisecond, Handler: func(_ context.Context, d pipeline.Delivery) error {
		seen <- d.Subject
		return nil
	}})
	put(t, p, "before")
	receive(t, seen, "a job")
	if err := pipelinetest.DeleteConsumer(t.Context(), p, topology.Adhoc, "test"); err != nil {
		t.Fatalf("delete consumer: %v", err)
	}
	put(t, p, "after")
	if got := receive(t, seen, "a job after the deletion"); got != "adhoc.here.after" && got != "adhoc.here.before" {
		t.Errorf("got %s, want the job after the deletion", got)
	}
}

func TestPoolConfigIsRefusedWithAllItsProblems(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	_, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "a b"}, Limit: -1, Timeout: -1})
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, want := range []string{"name", "handler", "limit", "times"} {
		if !contains(err.Error(), want) {
			t.Errorf("got %q, want it to name %s", err, want)
		}
	}
}

func TestSecondServeIsAnError(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	began := make(chan struct{}, 1)
	workers, _ := serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		began <- struct{}{}
		return nil
	}})
	receive(t, began, "a job")
	if err := workers.Serve(t.Context()); !errors.Is(err, pool.ErrServing) {
		t.Errorf("got %v, want ErrServing", err)
	}
}

func BenchmarkPoolNoOp(b *testing.B) {
	p := pipelinetest.New(b, pipeline.Config{})
	messages := make([]pipeline.Message, b.N)
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.CheckSubject("here", strconv.Itoa(i)), Body: []byte(`{}`)}
	}
	for _, err := range p.PublishAll(b.Context(), messages) {
		if err != nil {
			b.Fatal(err)
		}
	}
	done := make(chan struct{}, b.N)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "bench", Stream: topology.Checks}, Limit: 256, Handler: func(context.Context, pipeline.Delivery) error {
		done <- struct{}{}
		return nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	b.ResetTimer()
	go func() { ended <- workers.Serve(ctx) }()
	for range b.N {
		<-done
	}
	b.StopTimer()
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

func TestPoolStopsInTimeWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	stopBroker := sync.OnceValue(b.Stop)
	t.Cleanup(func() { _ = stopBroker() })
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: b.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, p, "job")
	began, release := make(chan struct{}), make(chan struct{})
	_, stop := serve(t, p, pool.Config{Confirm: true, Grace: 400 * time.Millisecond, Handler: func(context.Context, pipeline.Delivery) error {
		close(began)
		<-release
		return errors.New("fails while nobody can be told")
	}})
	receive(t, began, "the job")
	if err := stopBroker(); err != nil {
		t.Fatal(err)
	}
	close(release)
	started := time.Now()
	if err := stop(); err != nil {
		t.Errorf("got %v, want a clean stop", err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("got a stop after %s, want it within the grace and a half", took)
	}
	if err := p.Close(); err != nil {
		t.Errorf("close: got %v, want nil", err)
	}
}
