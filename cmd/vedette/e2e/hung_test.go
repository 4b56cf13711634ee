package e2e_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
	"vedette/producer"
	"vedette/workers"
	"vedette/workers/check"
)

// hungEach is how many checks of each kind hang at once, and healthySlots how
// many slots of the healthy monitor are counted meanwhile.
const (
	hungEach     = 100
	healthySlots = 20
)

func TestHungChecksOfEveryKindDelayNoHealthyOne(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	silent := listen(t, func(conn net.Conn) {
		buffer := make([]byte, 1024)
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
		}
	})
	specs := map[string]job.Spec{
		"http": {HTTP: &job.HTTP{URL: "http://" + silent}}, "https": {HTTP: &job.HTTP{URL: "https://" + silent}},
		"tcp": {TCP: &job.TCP{Address: silent, Dialogue: []job.Step{{Expect: "x"}}}}, "tls": {TLS: &job.TLS{Address: silent}},
		"dns": {DNS: &job.DNS{Name: "example.org", Server: silent, Protocol: "tcp"}}, "grpc": {GRPC: &job.GRPC{Address: silent}},
		"websocket": {WebSocket: &job.WebSocket{URL: "ws://" + silent}},
	}
	monitor := func(name string, interval time.Duration, spec job.Spec) job.Monitor {
		return job.Monitor{
			V: job.Version, Name: name, Interval: job.Duration(interval), Spec: spec, Policy: job.Policy{FailureThreshold: 3, SuccessThreshold: 1},
		}
	}
	definitions := producer.Definitions{Monitors: []job.Monitor{
		monitor("healthy", time.Second, job.Spec{HTTP: &job.HTTP{URL: x.url}, Timeout: job.Duration(900 * time.Millisecond)}),
	}}
	for kind, spec := range specs {
		spec.Timeout = job.Duration(9 * time.Second)
		for i := range hungEach {
			definitions.Monitors = append(definitions.Monitors, monitor(fmt.Sprintf("hung-%s-%d", kind, i), 10*time.Second, spec))
		}
	}
	p := pipelinetest.New(t, pipeline.Config{Shards: 8})
	if _, err := producer.Apply(t.Context(), p, definitions, producer.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	checker, err := check.New(check.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := workers.New(workers.Config{
		Pipeline: p, Prober: checker, Stages: []string{workers.StageCheck}, Limits: workers.Limits{Checks: 1024}, Grace: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	scheduler, err := producer.NewScheduler(producer.SchedulerConfig{Pipeline: p})
	if err != nil {
		t.Fatal(err)
	}
	background(t, "workers", w.Serve)
	background(t, "scheduler", scheduler.Serve)
	eventually(t, "nearly all of them hanging", func() bool {
		for _, q := range w.Queues(t.Context(), time.Now()) {
			if strings.HasPrefix(q.Name, "check-") && q.Running > hungEach*len(specs)*8/10 {
				return true
			}
		}
		return false
	})
	checked, missed := slots(t, p, "healthy", time.Now())
	if missed > 0 || checked < healthySlots {
		t.Errorf("got %d slots checked and %d missed, want all of them checked", checked, missed)
	}
}

// slots counts what became of a monitor's slots from a time on.
func slots(t *testing.T, p *pipeline.Pipeline, name string, from time.Time) (checked, missed int) {
	t.Helper()
	ctx, enough := context.WithTimeout(t.Context(), patience)
	defer enough()
	err := inspect.Tail(ctx, p, topology.Result, 0, func(d pipeline.Delivery) {
		batch, err := job.Decode[job.Results](d.Body)
		if err != nil {
			t.Error(err)
		}
		for i := range batch.Results {
			r := &batch.Results[i]
			switch {
			case r.Monitor != name || r.Slot.Before(from):
			case r.Miss != nil:
				missed += r.Miss.Count
			case r.ProbeResult.Health == job.Up:
				checked++
			default:
				t.Errorf("got %+v of a healthy target, want up", r.ProbeResult)
			}
		}
		if checked+missed >= healthySlots {
			enough()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return checked, missed
}
