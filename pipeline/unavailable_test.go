package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

// alone is a cluster that has an installation, and of which only the node that
// led a stream is left, so that there is no majority.
func alone(t *testing.T, stream topology.Stream) (cluster *pipelinetest.Cluster, rest []int) {
	t.Helper()
	cluster = pipelinetest.NewCluster(t)
	p := cluster.Connect(pipeline.Config{Replicas: 3})
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	leader := leading(t, p, stream)
	for i := range pipelinetest.Nodes {
		if i != leader {
			cluster.Stop(i)
			rest = append(rest, i)
		}
	}
	return cluster, rest
}

// monitorLog is the stream under the bucket of monitors.
const monitorLog topology.Stream = "KV_MONITOR"

// heard is a logger, and a channel that gets a word when it logs one.
func heard(word string) (*slog.Logger, <-chan struct{}) {
	said := make(chan struct{}, 1)
	return slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		if strings.Contains(string(line), word) {
			select {
			case said <- struct{}{}:
			default:
			}
		}
		return len(line), nil
	}), nil)), said
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(line []byte) (int, error) { return f(line) }

func TestBucketsAreOpenedAndWrittenAsSoonAsThereIsALeader(t *testing.T) {
	t.Parallel()
	cluster, rest := alone(t, monitorLog)
	log, waits := heard("write keys")
	p := cluster.Connect(pipeline.Config{Logger: log})
	done := make(chan error, 1)
	go func() {
		bucket, err := p.Bucket(t.Context(), topology.Monitors)
		if err == nil {
			err = bucket.WriteAll(t.Context(), []pipeline.Write{{Key: "monitor.a", Value: []byte("1")}, {Key: "monitor.b", Value: []byte("2")}})
		}
		done <- err
	}()
	<-waits
	cluster.Start(rest[0])
	if err := <-done; err != nil {
		t.Errorf("got %v, want it retried", err)
	}
}

// A watch of a bucket without a leader is tolerated, whatever error it gets.
func TestWatchWithoutALeaderIsTolerated(t *testing.T) {
	t.Parallel()
	cluster, _ := alone(t, monitorLog)
	p := cluster.Connect(pipeline.Config{})
	bucket, err := p.Bucket(t.Context(), topology.Monitors)
	if err != nil {
		t.Fatal(err)
	}
	watch := p.TolerateOutage(supervise.ServiceFunc(func(ctx context.Context) error {
		return bucket.Watch(ctx, func(pipeline.Entry) {}, func() {})
	}))
	pipelinetest.Eventually(t, "the word that the cluster is not available", func() bool {
		err := watch.Serve(t.Context())
		if !errors.Is(err, supervise.ErrUnavailable) {
			t.Fatalf("got %v, want it excused", err)
		}
		return strings.Contains(err.Error(), "temporarily unavailable")
	})
}

func TestPatienceEndsAndSaysWhatItWaitedFor(t *testing.T) {
	t.Parallel()
	cluster, _ := alone(t, monitorLog)
	p := cluster.Connect(pipeline.Config{Patience: time.Second})
	err := p.Ensure(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "ensure stream VEDETTE_TICK: waited 1s for the cluster to answer or elect a leader: ") {
		t.Errorf("got %v, want what was waited for, and how long", err)
	}
}

func TestWhatDoesNotPassIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	p := pipelinetest.Connect(t, pipelinetest.Broker(t), pipeline.Config{Patience: 24 * time.Hour})
	if _, err := p.Bucket(t.Context(), topology.Monitors); !errors.Is(err, jetstream.ErrBucketNotFound) {
		t.Errorf("got %v, want that there is no bucket", err)
	}
}

// A message on which the cluster has not agreed is not stored, though its leader
// knows its id, and its subject looks occupied.
func TestMessageThatIsStillInProcessIsNotTakenForStored(t *testing.T) {
	t.Parallel()
	cluster, rest := alone(t, topology.Mail)
	p := cluster.Connect(pipeline.Config{})
	order := pipeline.Message{Subject: topology.MailSubject(job.MailAdhoc, "m1"), Body: []byte("{}"), ID: "m1"}
	pipelinetest.Eventually(t, "a message in process", func() bool { return refusal(t, p, order) == 10158 })
	done := make(chan error, 1)
	go func() { done <- p.Publish(t.Context(), order) }()
	for _, i := range rest {
		cluster.Start(i)
	}
	if err := <-done; err != nil {
		t.Errorf("got %v, want it retried", err)
	}
	if holds, err := inspect.ExistsOnLeader(t.Context(), p, topology.Mail, order.Subject); !holds || err != nil {
		t.Errorf("got %t, %v, want the message at the leader", holds, err)
	}
}

// refusal publishes as any client does, and returns the code of the server's
// refusal; 0 when it does not answer.
func refusal(t *testing.T, p *pipeline.Pipeline, m pipeline.Message) jetstream.ErrorCode {
	t.Helper()
	message := nats.NewMsg("vedette." + m.Subject)
	message.Data = m.Body
	message.Header.Set(jetstream.MsgIDHeader, m.ID)
	answer, err := p.Conn().RequestMsg(message, time.Second)
	if err != nil {
		return 0
	}
	var found struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &found); err != nil {
		t.Fatal(err)
	}
	if found.Error == nil {
		return 0
	}
	return found.Error.ErrorCode
}
