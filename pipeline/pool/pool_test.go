package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

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
		pipelinetest.Put(t, p, strconv.Itoa(i))
	}
	var meter meter
	var left atomic.Int64
	left.Store(jobs)
	busy := make(chan struct{})
	pipelinetest.Serve(t, p, pool.Config{Limit: limit, Handler: func(context.Context, pipeline.Delivery) error {
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
	pipelinetest.Receive(t, busy, "the end of the tasks")
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
		pipelinetest.Put(t, p, strconv.Itoa(i))
	}
	began, release := make(chan struct{}, 40), make(chan struct{})
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Limit: 2, MaxLimit: 8, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}})
	running := func(want int) {
		t.Helper()
		pipelinetest.Eventually(t, strconv.Itoa(want)+" running", func() bool { return workers.Status().Running == want })
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
		if err := workers.SetLimit(wrong); err == nil || !strings.Contains(err.Error(), "expected 1 to 8") {
			t.Errorf("limit %d: got %v, want an error with the range", wrong, err)
		}
	}
	close(release)
	for range 40 {
		pipelinetest.Receive(t, began, "each job")
	}
}

func TestPoolTakesTheOldestJobFirst(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const jobs = 100
	for i := range jobs {
		pipelinetest.Put(t, p, strconv.Itoa(i))
	}
	order := make(chan uint64, jobs)
	pipelinetest.Serve(t, p, pool.Config{Limit: 1, Handler: func(_ context.Context, d pipeline.Delivery) error {
		order <- d.Sequence
		return nil
	}})
	for i := range uint64(jobs) {
		if got := pipelinetest.Receive(t, order, "a job"); got != i+1 {
			t.Fatalf("got job %d at place %d, want the oldest first", got, i+1)
		}
	}
}

func TestPoolKeepsRunningAtItsLimitWhileWorkWaits(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const limit = 4
	for i := range 3 * limit {
		pipelinetest.Put(t, p, strconv.Itoa(i))
	}
	began, release := make(chan struct{}, 3*limit), make(chan struct{})
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Limit: limit, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	}})
	for range limit {
		pipelinetest.Receive(t, began, "a job in each slot")
	}
	for range 2 * limit {
		release <- struct{}{}
		pipelinetest.Receive(t, began, "the next job in the slot that came free")
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

func TestPoolConfigIsRefusedWithAllItsProblems(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	_, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "a b"}, Limit: -1, Timeout: -1})
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, want := range []string{"name", "handler", "limit", "times"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to name %s", err, want)
		}
	}
}

func TestSecondServeIsAnError(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	pipelinetest.Put(t, p, "job")
	began := make(chan struct{}, 1)
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		began <- struct{}{}
		return nil
	}})
	pipelinetest.Receive(t, began, "a job")
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
	pipelinetest.Put(t, p, "job")
	began, release := make(chan struct{}), make(chan struct{})
	_, stop := pipelinetest.Serve(t, p, pool.Config{Confirm: true, Grace: 400 * time.Millisecond, Handler: func(context.Context, pipeline.Delivery) error {
		close(began)
		<-release
		return errors.New("fails while no one can be notified")
	}})
	pipelinetest.Receive(t, began, "the job")
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

// Clients that fetch ahead leave jobs to time out in their own buffer, and run
// each twice although nothing failed.
func TestJobsThatWaitForASlotDoNotTimeOutInTheClient(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const jobs, ackWait = 10, 300 * time.Millisecond
	for i := range jobs {
		pipelinetest.Put(t, p, strconv.Itoa(i))
	}
	runs := make(chan string, 10*jobs)
	workers, _ := pipelinetest.Serve(t, p, pool.Config{Limit: 1, AckWait: ackWait, Handler: func(ctx context.Context, d pipeline.Delivery) error {
		busy := time.NewTimer(ackWait / 2) // together they take five times as long as a job is held
		defer busy.Stop()
		select {
		case <-busy.C:
		case <-ctx.Done():
		}
		runs <- d.Subject
		return nil
	}})
	pipelinetest.Eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
	if got := len(runs); got != jobs {
		t.Errorf("got %d runs, want each of %d jobs to run once", got, jobs)
	}
}
