package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// load is jobs that are published for as long as it takes, and what became of
// them.
type load struct {
	p  *pipeline.Pipeline
	mu sync.Mutex
	// stored are the jobs that the server has acknowledged, done how often each
	// was done; pause is the longest time in which none was.
	stored  []string
	done    map[string]int
	last    time.Time
	pause   time.Duration
	refused error
}

// startLoad publishes jobs from several goroutines, at a pace; the function that
// it returns ends that.
func startLoad(t *testing.T, p *pipeline.Pipeline) (*load, func()) {
	t.Helper()
	l := &load{p: p, done: map[string]int{}, last: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for publisher := range 4 {
		group.Go(func() { l.publish(ctx, strconv.Itoa(publisher)+"-") })
	}
	stop := sync.OnceFunc(func() {
		cancel()
		group.Wait()
	})
	t.Cleanup(stop)
	return l, stop
}

func (l *load) publish(ctx context.Context, name string) {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
		id := name + strconv.Itoa(n)
		err := l.p.Publish(ctx, pipeline.Message{Subject: topology.AdhocSubject("here", id), Body: []byte("{}"), ID: id})
		l.mu.Lock()
		switch {
		case err == nil:
			l.stored = append(l.stored, id)
		case ctx.Err() == nil && !errors.Is(err, pipeline.ErrOccupied): // of which an answer got lost, and which is another's to count
			l.refused = err
		}
		l.mu.Unlock()
	}
}

// work does a job.
func (l *load) work(_ context.Context, d pipeline.Delivery) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[strings.TrimPrefix(d.Subject, "adhoc.here.")]++
	l.pause, l.last = max(l.pause, time.Since(l.last)), time.Now()
	return nil
}

// flows waits until work that came after this moment is done, and returns how
// long that took.
func (l *load) flows(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	l.mu.Lock()
	before := len(l.stored)
	l.mu.Unlock()
	pipelinetest.Eventually(t, "work that flows", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.stored) > before+10 && !slices.ContainsFunc(l.stored[before:before+10], func(id string) bool { return l.done[id] == 0 })
	})
	return time.Since(began)
}

func (l *load) undone() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	undone := 0
	for _, id := range l.stored {
		if l.done[id] == 0 {
			undone++
		}
	}
	return undone
}

// leading is the node that leads a stream, once there is one.
func leading(t *testing.T, p *pipeline.Pipeline, stream topology.Stream) int {
	t.Helper()
	leader := -1
	pipelinetest.Eventually(t, "a leader", func() bool {
		name, err := inspect.Leader(t.Context(), p, stream)
		if err != nil {
			return false
		}
		number, err := strconv.Atoi(strings.TrimPrefix(name, "node-"))
		leader = number - 1
		return err == nil
	})
	return leader
}

// The promise with three nodes: any may go, and even come back without
// its disk, and nothing that was acknowledged is lost.
func TestClusterLosesNothingWhileItsNodesComeAndGo(t *testing.T) {
	t.Parallel()
	const resume = 10 * time.Second
	cluster := pipelinetest.NewCluster(t)
	p := cluster.Connect(pipeline.Config{Process: "publisher", Replicas: 3})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs, stop := startLoad(t, p)
	for _, name := range []string{"worker-1", "worker-2"} {
		pipelinetest.Serve(t, cluster.Connect(pipeline.Config{Process: name}), pool.Config{AckWait: 2 * time.Second, Handler: jobs.work})
	}
	jobs.flows(t)
	begin := func(what string, event func()) {
		event()
		took := jobs.flows(t)
		t.Logf("%s: work flows %s later", what, took.Round(time.Millisecond))
		if took > resume {
			t.Errorf("%s: got work %s later, want %s at most", what, took, resume)
		}
	}

	leader := leading(t, p, topology.Adhoc)
	begin("the leader is stopped", func() { cluster.Stop(leader) })
	begin("it is back with an empty disk", func() {
		cluster.Wipe(leader)
		cluster.Start(leader)
	})
	for i := range pipelinetest.Nodes {
		cluster.AwaitHealthy() // as in any rolling restart
		begin(cluster.Name(i)+" is restarted", func() {
			cluster.Stop(i)
			cluster.Start(i)
		})
	}
	cluster.AwaitHealthy()
	stop()
	pipelinetest.Eventually(t, "every acknowledged job done", func() bool { return jobs.undone() == 0 })
	jobs.report(t, resume)
}

// report logs the balance, and fails the test if it is wrong.
func (l *load) report(t *testing.T, resume time.Duration) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	twice := 0
	for _, times := range l.done {
		twice += times - 1
	}
	t.Logf("%d acknowledged, %d done, %d of them again, longest pause %s", len(l.stored), len(l.done), twice, l.pause.Round(time.Millisecond))
	if l.refused != nil {
		t.Errorf("got %v for a publish, want it retried", l.refused)
	}
	if l.pause > resume {
		t.Errorf("got no work for %s, want %s at most", l.pause, resume)
	}
	if len(l.stored) < 500 {
		t.Errorf("got %d jobs, want a load", len(l.stored))
	}
}

func TestReplicasChangeWhileWorkFlowsAndStayForThoseWhoDoNotSay(t *testing.T) {
	t.Parallel()
	cluster := pipelinetest.NewCluster(t)
	if err := cluster.Connect(pipeline.Config{Replicas: 1}).Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := cluster.Connect(pipeline.Config{Process: "publisher", Replicas: 3})
	jobs, stop := startLoad(t, p)
	pipelinetest.Serve(t, p, pool.Config{AckWait: 2 * time.Second, Handler: jobs.work})
	jobs.flows(t)
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Connect(pipeline.Config{}).Ensure(t.Context()); err != nil { // which must not undo it
		t.Fatal(err)
	}
	for _, stream := range []topology.Stream{topology.Adhoc, topology.Tick, topology.StateLog} {
		pipelinetest.Eventually(t, "three replicas of "+string(stream)+", up to date", func() bool {
			found, err := p.JetStream().Stream(t.Context(), p.Names().Stream(stream))
			return err == nil && current(found.CachedInfo().Cluster) == 3
		})
	}
	pipelinetest.Eventually(t, "three replicas of the consumer", func() bool { // which the server makes half a minute later
		found, err := p.JetStream().Consumer(t.Context(), p.Names().Stream(topology.Adhoc), "test")
		return err == nil && current(found.CachedInfo().Cluster) == 3
	})
	cluster.Stop(leading(t, p, topology.Adhoc)) // the one that had it alone, if it still leads
	jobs.flows(t)
	stop()
	pipelinetest.Eventually(t, "every acknowledged job done", func() bool { return jobs.undone() == 0 })
}

// current counts the nodes with all data.
func current(cluster *jetstream.ClusterInfo) int {
	if cluster == nil || cluster.Leader == "" {
		return 0
	}
	current := 1
	for _, peer := range cluster.Replicas {
		if peer.Current {
			current++
		}
	}
	return current
}

func TestMoreReplicasThanNodesAreRefused(t *testing.T) {
	t.Parallel()
	b := pipelinetest.Broker(t)
	p := pipelinetest.Connect(t, b, pipeline.Config{Replicas: 3})
	if err := p.Ensure(t.Context()); !errors.Is(err, pipeline.ErrTooFewNodes) || !strings.Contains(err.Error(), "VEDETTE_TICK") {
		t.Errorf("got %v, want ErrTooFewNodes for a stream", err)
	}
}
