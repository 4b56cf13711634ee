package pool_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// startWorker runs a pool in a process of its own; it is killed at the end of
// the test at the latest.
func startWorker(t *testing.T, url, name string, limit int, busy time.Duration) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), beWorker+"="+url, workerName+"="+name, workerLimit+"="+strconv.Itoa(limit), workerBusy+"="+busy.String())
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// journal is what jobs wrote down when they began: "job process attempt".
type journal struct {
	mu    sync.Mutex
	lines []string
}

func follow(t *testing.T, p *pipeline.Pipeline) *journal {
	t.Helper()
	begun, err := p.Bucket(t.Context(), topology.Outcomes)
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- begun.Watch(ctx, func(e pipeline.Entry) {
			parts := strings.Split(e.Key, ".") // adhoc.here.<job>.<process>.<attempt>.<time>
			j.mu.Lock()
			defer j.mu.Unlock()
			j.lines = append(j.lines, strings.Join(parts[2:5], " "))
		}, func() {})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return j
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines...)
}

// by returns how many jobs a process began.
func (j *journal) by(process string) int {
	n := 0
	for _, line := range j.all() {
		if strings.Fields(line)[1] == process {
			n++
		}
	}
	return n
}

func putMany(t *testing.T, p *pipeline.Pipeline, from, to int) {
	t.Helper()
	var messages []pipeline.Message
	for i := from; i < to; i++ {
		messages = append(messages, pipeline.Message{Subject: topology.AdhocSubject("here", strconv.Itoa(i)), Body: []byte("{}")})
	}
	for _, err := range p.PublishAll(t.Context(), messages) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledWorkersJobsAllRunElsewhereWithinSixSeconds(t *testing.T) {
	t.Parallel()
	b, p := pipelinetest.Listening(t)
	j := follow(t, p)
	const jobs = 100
	putMany(t, p, 0, jobs)
	victim := startWorker(t, b.URL(), "victim", jobs, 30*time.Second)
	pipelinetest.Eventually(t, "all jobs in flight", func() bool { return j.by("victim") == jobs })
	startWorker(t, b.URL(), "heir", jobs, 30*time.Second)
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = victim.Wait()
	pipelinetest.Eventually(t, "all jobs elsewhere", func() bool { return j.by("heir") == jobs })
	if took := time.Since(killed); took > 6*time.Second {
		t.Errorf("got the last job elsewhere after %s, want 6s at most", took)
	}
	for _, line := range j.all() {
		if !strings.HasSuffix(line, " 1") {
			t.Errorf("got %q, want no attempt counted for a death that was not the job's fault", line)
		}
	}
}

func TestTerminatedWorkerHandsItsJobsOnAtOnceAndBurnsNoAttempt(t *testing.T) {
	t.Parallel()
	b, p := pipelinetest.Listening(t)
	j := follow(t, p)
	const jobs = 200
	putMany(t, p, 0, jobs)
	first := startWorker(t, b.URL(), "first", jobs/2, time.Hour)
	pipelinetest.Eventually(t, "a full worker", func() bool { return j.by("first") == jobs/2 })
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
	ended := time.Now()
	startWorker(t, b.URL(), "second", jobs, time.Hour)
	pipelinetest.Eventually(t, "all jobs in the second worker", func() bool { return j.by("second") == jobs })
	if took := time.Since(ended); took > 4*time.Second {
		t.Errorf("got all jobs elsewhere %s after the end, want them given back and not waited for", took)
	}
	seen := map[string]int{}
	for _, line := range j.all() {
		fields := strings.Fields(line)
		seen[fields[0]]++
		if fields[2] != "1" {
			t.Errorf("got %q, want attempt 1", line)
		}
	}
	if len(seen) != jobs {
		t.Errorf("got %d jobs, want %d: none is lost", len(seen), jobs)
	}
}

func TestLimitOfFourHoldsAndTheQueueSurvivesAKillInItsOrder(t *testing.T) {
	t.Parallel()
	b, p := pipelinetest.Listening(t)
	j := follow(t, p)
	const jobs, limit = 1000, 4
	putMany(t, p, 0, jobs)
	victim := startWorker(t, b.URL(), "victim", limit, 2*time.Millisecond)
	pipelinetest.Eventually(t, "a part of the jobs begun", func() bool { return j.by("victim") > 100 })
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	startWorker(t, b.URL(), "heir", limit, 2*time.Millisecond)
	left := func() bool {
		n, err := inspect.Count(t.Context(), p, topology.Adhoc)
		return err == nil && n == 0
	}
	pipelinetest.Eventually(t, "an empty queue", left)
	seen := map[string]int{}
	last, late := -1, 0
	for _, line := range j.all() {
		fields := strings.Fields(line)
		seen[fields[0]]++
		number, err := strconv.Atoi(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		// Four run side by side, so neighbours may write in either order.
		if seen[fields[0]] == 1 && number < last-limit {
			late++
		}
		last = max(last, number)
	}
	if late > limit {
		t.Errorf("got %d jobs out of turn, want first in, first out, but for the %d that the victim held and had not begun", late, limit)
	}
	if len(seen) != jobs {
		t.Errorf("got %d of %d jobs, want all: the queue survives", len(seen), jobs)
	}
	twice := 0
	for _, n := range seen {
		if n > 1 {
			twice++
		}
	}
	if twice > limit {
		t.Errorf("got %d jobs begun twice, want at most the %d that were running when the worker died", twice, limit)
	}
}

// A process that stood still, or lost its server, for longer than its jobs are
// held, has lost them: another process does them, and it must not go on.
func TestHandlerWhoseJobWasGivenToAnotherIsStoppedAndItsWritesAreRefused(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	line := pipelinetest.NewProxy(t, strings.TrimPrefix(b.URL(), "nats://"+broker.User+":"+b.Secret()+"@"))
	cut, err := pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + broker.User + ":" + b.Secret() + "@" + line.Address, Process: "cut off", Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cut.Close() })
	if err := cut.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Put(t, cut, "job")
	const ackWait = time.Second
	began, stopped, late := make(chan struct{}, 1), make(chan struct{}, 1), make(chan error, 1)
	pipelinetest.Serve(t, cut, pool.Config{AckWait: ackWait, Handler: func(ctx context.Context, _ pipeline.Delivery) error {
		began <- struct{}{}
		<-ctx.Done()
		stopped <- struct{}{}
		late <- cut.Publish(context.WithoutCancel(ctx), pipeline.Message{Subject: topology.ResultSubject(0), Body: []byte("late")})
		return nil
	}})
	pipelinetest.Receive(t, began, "the job")
	line.Cut.Store(true)
	pipelinetest.Receive(t, stopped, "the end of the handler's context")
	if err := pipelinetest.Receive(t, late, "a late write"); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("got %v for a late write, want ErrFenced", err)
	}
	heir := pipelinetest.Connect(t, b, pipeline.Config{Process: "heir"})
	attempts := make(chan int, 1)
	pipelinetest.Serve(t, heir, pool.Config{AckWait: ackWait, Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		return nil
	}})
	if got := pipelinetest.Receive(t, attempts, "the job elsewhere"); got != 1 {
		t.Errorf("got attempt %d, want 1", got)
	}
	line.Cut.Store(false)
}
