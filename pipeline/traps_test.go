package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/topology"
)

// Each test here is one way in which JetStream surprises, measured before the
// first line was written; it fails if we fall into it.

// Clients that fetch ahead leave jobs to time out in their own buffer, and run
// each twice although nothing failed.
func TestJobsThatWaitForASlotDoNotTimeOutInTheClient(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const jobs, ackWait = 10, 300 * time.Millisecond
	for i := range jobs {
		put(t, p, strconv.Itoa(i))
	}
	runs := make(chan string, 10*jobs)
	workers, _ := serve(t, p, pool.Config{Limit: 1, AckWait: ackWait, Handler: func(ctx context.Context, d pipeline.Delivery) error {
		busy := time.NewTimer(ackWait / 2) // together they take five times as long as a job is held
		defer busy.Stop()
		select {
		case <-busy.C:
		case <-ctx.Done():
		}
		runs <- d.Subject
		return nil
	}})
	eventually(t, "an empty queue", func() bool {
		queue, err := workers.Queue(t.Context(), time.Now())
		return err == nil && queue.Depth == 0
	})
	if got := len(runs); got != jobs {
		t.Errorf("got %d runs, want each of %d jobs to run once", got, jobs)
	}
}

// A consumer's own limit of deliveries and its own back-off are at odds with
// delayed redelivery: jobs are lost to the limit, or come at the wrong time.
func TestConsumersGiveUpOnNothingAndKeepNoCurveOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	began := make(chan struct{}, 1)
	serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		began <- struct{}{}
		return nil
	}})
	receive(t, began, "a job")
	config, err := pipelinetest.ConsumerConfig(t.Context(), p, topology.Adhoc, "test")
	if err != nil {
		t.Fatal(err)
	}
	if config.MaxDeliver != -1 || len(config.BackOff) != 0 || config.AckPolicy != jetstream.AckExplicitPolicy {
		t.Errorf("got %+v, want no limit of deliveries, no back-off and explicit acks", config)
	}
	if config.MaxAckPending < 20_000 {
		t.Errorf("got MaxAckPending %d, want 20,000 or more: jobs that wait for a retry count against it", config.MaxAckPending)
	}
}

func TestFailingJobOutlivesAnyNumberOfDeliveriesAndWaitsAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	const tries, wait = 30, 20 * time.Millisecond
	began := time.Now()
	attempts := make(chan int, tries)
	serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		if d.Attempt < tries {
			return job.RetryIn(errors.New("not yet"), wait)
		}
		return nil
	}})
	for i := range tries {
		if got := receive(t, attempts, "an attempt"); got != i+1 {
			t.Fatalf("got attempt %d, want %d", got, i+1)
		}
	}
	if took := time.Since(began); took < (tries-1)*wait {
		t.Errorf("got %d attempts in %s, want them %s apart", tries, took, wait)
	}
}

// By default a thousand jobs that wait for a retry keep all the others out.
func TestJobsThatWaitForARetryKeepNobodyOut(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const failing = 1_500
	messages := make([]pipeline.Message, failing)
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.AdhocSubject("here", "failing"+strconv.Itoa(i)), Body: []byte("{}")}
	}
	for _, err := range p.PublishAll(t.Context(), messages) {
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, p, "good")
	good := make(chan struct{}, 1)
	serve(t, p, pool.Config{Handler: func(_ context.Context, d pipeline.Delivery) error {
		if d.Subject == "adhoc.here.good" {
			good <- struct{}{}
			return nil
		}
		return job.RetryIn(errors.New("not now"), time.Hour)
	}})
	receive(t, good, "the good job behind all that wait")
}

// Whatever settles a job in the server's place, or stops it from delivering one,
// must not leave it in the stream unseen, where it would block its subject.
func TestJobThatTheServerGaveUpOnBecomesADeadLetterAndItsSubjectFree(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	put(t, p, "job")
	seen := make(chan struct{}, 10)
	serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		seen <- struct{}{}
		return job.RetryIn(errors.New("not yet"), 300*time.Millisecond)
	}})
	rescuer, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "rescue", Stream: topology.Advisory}, Handler: func(ctx context.Context, d pipeline.Delivery) error { return deadletter.Rescue(ctx, p, d) }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, rescuer)
	receive(t, seen, "an attempt")
	err = pipelinetest.ChangeConsumer(t.Context(), p, topology.Adhoc, "test", func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 1 })
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dead letter", func() bool { return len(deadLetters(t, p, deadletter.Filter{})) == 1 })
	letter, _ := deadLetter(t, p)
	if letter.Reason != job.ReasonStranded || letter.Subject != "adhoc.here.job" || string(letter.Body) != `{"id":"job"}` {
		t.Errorf("got %+v, want the job byte for byte, as stranded", letter)
	}
	eventually(t, "a free subject", func() bool {
		return p.Publish(t.Context(), pipeline.Message{Subject: "adhoc.here.job", Body: []byte("{}")}) == nil
	})
}

// Removals by limits are told as terminations too, and are none.
func TestAdvisoriesOfOurOwnLimitsRaiseNoAlarm(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	tell := func(reason string) error {
		body := fmt.Sprintf(`{"type":"io.nats.jetstream.advisory.v1.terminated","stream":"VEDETTE_TICK","consumer":"schedule","stream_seq":7,"reason":%q}`, reason)
		return deadletter.Rescue(t.Context(), p, pipeline.Delivery{Body: []byte(body), Stored: time.Now()})
	}
	for _, reason := range []string{"Message deleted by stream limits", "Unacknowledged message was deleted", "poisoned"} {
		if err := tell(reason); err != nil {
			t.Errorf("%s: got %v, want nil", reason, err)
		}
	}
	if notice := receive(t, notices(t, p), "a notice"); !strings.Contains(notice.Summary, "poisoned") {
		t.Errorf("got %q, want a notice of the job that somebody terminated, and of no other", notice.Summary)
	}
	stored, err := inspect.Count(t.Context(), p, topology.Notice)
	if err != nil || stored != 1 {
		t.Errorf("got %d notices, %v, want 1", stored, err)
	}
}

// A stream that is full must say so to each publisher; messages that are
// published without waiting for an answer vanish there.
func TestFullStreamIsFeltByThePublisherAndWaitingEndsWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	const room = 10_000 // of the stream of calls
	messages := make([]pipeline.Message, room+5)
	for i := range messages {
		messages[i] = pipeline.Message{Subject: topology.CallMailSubject(strconv.Itoa(i)), Body: []byte("{}")}
	}
	refused := 0
	for i, err := range p.PublishAll(t.Context(), messages) {
		switch {
		case errors.Is(err, pipeline.ErrFull):
			refused++
		case err != nil:
			t.Fatalf("message %d: got %v, want nil or ErrFull", i, err)
		}
	}
	if refused != 5 {
		t.Errorf("got %d refused, want 5", refused)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	late := pipeline.Message{Subject: topology.CallMailSubject("late"), Body: []byte("{}"), Wait: true}
	if err := p.Publish(short, late); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, pipeline.ErrFull) {
		t.Errorf("got %v, want waiting until the context ends", err)
	}
	waited := make(chan []error, 1)
	go func() { waited <- p.PublishAll(t.Context(), []pipeline.Message{late}) }()
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "calls", Stream: topology.Call}, Limit: 256, Handler: func(context.Context, pipeline.Delivery) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, workers)
	if errs := receive(t, waited, "the end of waiting"); errs[0] != nil {
		t.Errorf("got %v, want the message stored once there was room", errs[0])
	}
}

// The server's word that a message is stored can get lost. Publishing it again
// must neither store it twice nor call it a failure.
func TestLostWordOfThePublishIsNeitherALossNorADouble(t *testing.T) {
	t.Parallel()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	line := newLine(t, strings.TrimPrefix(b.URL(), "nats://"+broker.User+":"+b.Secret()+"@"))
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + broker.User + ":" + b.Secret() + "@" + line.address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	witness := pipelinetest.Connect(t, b, pipeline.Config{})
	line.deaf.Store(true)
	done := make(chan error, 1)
	go func() {
		done <- p.Publish(t.Context(), pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}"), ID: "a-1"})
	}()
	stored := func() uint64 {
		n, err := inspect.Count(t.Context(), witness, topology.Adhoc)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "a stored message", func() bool { return stored() == 1 })
	line.deaf.Store(false)
	if err := receive(t, done, "the end of the publish"); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if got := stored(); got != 1 {
		t.Errorf("got %d messages, want 1", got)
	}
}

// line is a TCP line to the server that can lose what the server says, or be
// cut: then nothing gets through, and nobody is told.
type line struct {
	address   string
	deaf, cut atomic.Bool
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{address: listener.Addr().String()}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				return
			}
			group.Go(func() { defer server.Close(); carry(server, client, func() bool { return l.cut.Load() }) })
			group.Go(func() {
				defer client.Close()
				carry(client, server, func() bool { return l.cut.Load() || l.deaf.Load() })
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	return l
}

// carry passes on what one side says, unless it is lost. Both sides write what
// they say whole, so that what is lost is lost whole.
func carry(to, from net.Conn, lost func() bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if lost() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// The server forgets the ids of messages when it restarts, but not the subjects
// of those that it holds.
func TestJobIsOrderedOnceThroughARestartOfTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := broker.Config{Dir: dir, Listen: "127.0.0.1:0"}
	first, err := broker.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: first.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if err := p.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(t, p, "a")
	config.Listen = strings.TrimPrefix(p.URL(), "nats://")
	if _, after, found := strings.Cut(config.Listen, "@"); found {
		config.Listen = after
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second, err := broker.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Stop() })
	err = p.Publish(t.Context(), pipeline.Message{Subject: topology.AdhocSubject("here", "a"), Body: []byte("{}"), ID: "another"})
	if !errors.Is(err, pipeline.ErrOccupied) {
		t.Errorf("got %v, want ErrOccupied: the job lives", err)
	}
}

// On three replicas a bound of messages makes each publish walk all subjects in
// flight: a stream with one subject a monitor has none.
func TestStreamsAreBoundedWhereTheyCanBeAndNotWhereItWouldCost(t *testing.T) {
	t.Parallel()
	for _, config := range topology.Streams(topology.Names{Prefix: "vedette"}, 3) {
		name := strings.TrimPrefix(config.Name, "VEDETTE_")
		switch topology.Stream(name) {
		case topology.Checks:
			if config.MaxMsgs != 0 || config.MaxBytes != 0 || !config.DiscardNewPerSubject {
				t.Errorf("%s: got %d messages, %d bytes, want one a subject and no other bound", name, config.MaxMsgs, config.MaxBytes)
			}
		case topology.Adhoc, topology.Call, topology.Mail, topology.Dead:
			if config.MaxMsgs <= 0 || config.MaxBytes <= 0 || config.Discard != jetstream.DiscardNew {
				t.Errorf("%s: got %d messages, %d bytes, %v, want bounds that the publisher feels", name, config.MaxMsgs, config.MaxBytes, config.Discard)
			}
		default:
		}
		if config.MaxAge > 0 && config.Retention == jetstream.WorkQueuePolicy && name != string(topology.Advisory) {
			t.Errorf("%s: got a work queue that forgets after %s, want jobs to end as done or dead alone", name, config.MaxAge)
		}
		if config.AllowMsgSchedules && name != string(topology.Tick) && name != string(topology.Timer) {
			t.Errorf("%s: got schedules, want none: their target is not checked against the publisher's rights", name)
		}
	}
}

// A work queue gives each message to one consumer. A second consumer over the
// same jobs must be an error, not a share.
func TestSecondPoolOverTheSameJobsIsAnError(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	nothing := func(context.Context, pipeline.Delivery) error { return nil }
	put(t, p, "job")
	began := make(chan struct{}, 1)
	serve(t, p, pool.Config{Handler: func(context.Context, pipeline.Delivery) error {
		began <- struct{}{}
		return nil
	}})
	receive(t, began, "a job")
	second, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "second", Stream: topology.Adhoc}, Handler: nothing})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "second") {
		t.Errorf("got %v, want an error that names the consumer", err)
	}
}

// The reply subject of a publish is not checked against the publisher's rights,
// so the server itself can be made to put its answer into any stream.
func TestAnswerOfTheServerThatLandsInAStreamIsADeadLetterAndNoJob(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	forged := nats.NewMsg("vedette.adhoc.here.a")
	forged.Reply = "vedette.mail.alert.forged"
	forged.Data = []byte("{}")
	if err := p.Conn().PublishMsg(forged); err != nil {
		t.Fatal(err)
	}
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "mail", Stream: topology.Mail}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		_, err := job.Decode[job.Mail](d.Body)
		return job.DeadFor(err)
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, workers)
	eventually(t, "a dead letter", func() bool { return len(deadLetters(t, p, deadletter.Filter{})) == 1 })
	if letter, _ := deadLetter(t, p); letter.Reason != job.ReasonMalformed || letter.Subject != "mail.alert.forged" {
		t.Errorf("got %+v, want the answer as a malformed mail", letter)
	}
}

func TestServerThatIsTooOldIsRefusedWithItsVersion(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, `INFO {"server_id":"old","version":"2.13.9","proto":1,"headers":true,"max_payload":1048576}`+"\r\n")
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			if strings.Contains(string(buffer[:n]), "PING") {
				_, _ = io.WriteString(conn, "PONG\r\n")
			}
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
	})
	_, err = pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + listener.Addr().String()})
	if !errors.Is(err, pipeline.ErrServerTooOld) || !strings.Contains(err.Error(), "2.13.9") {
		t.Errorf("got %v, want ErrServerTooOld with the version", err)
	}
}

// Timers are schedules of the server. They fire once, when they are due, and
// setting one again moves it.
func TestTimerFiresOnceWhenItIsDueAndIsMovedByBeingSetAgain(t *testing.T) {
	t.Parallel()
	p := pipelinetest.New(t, pipeline.Config{})
	fired := make(chan pipeline.Delivery, 10)
	workers, err := pool.New(p, pool.Config{Consumer: topology.Consumer{Name: "timer", Stream: topology.Timer, Filter: "timer.due.test.*"}, Handler: func(_ context.Context, d pipeline.Delivery) error {
		fired <- d
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, workers)
	now := time.Now()
	if err := p.SetTimer(t.Context(), "test", "moved", now.Add(time.Hour), []byte("late")); err != nil {
		t.Fatal(err)
	}
	at := now.Add(2 * time.Second)
	if err := p.SetTimer(t.Context(), "test", "moved", at, []byte("soon")); err != nil {
		t.Fatal(err)
	}
	if err := p.SetTimer(t.Context(), "test", "past", now.Add(-time.Hour), []byte("past")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, fired, "the timer of the past"); string(got.Body) != "past" {
		t.Errorf("got %q first, want what is overdue at once", got.Body)
	}
	got := receive(t, fired, "the timer that was moved")
	if string(got.Body) != "soon" || got.Subject != topology.TimerSubject("test", "moved") || got.Stored.Before(at.Truncate(time.Second)) {
		t.Errorf("got %q of %s at %s, want the moved one at %s", got.Body, got.Subject, got.Stored, at)
	}
}

// A node that dies takes answers with it. Whoever waits has to hear of that in
// seconds, however much time its job has: it can try again.
func TestRequestWhoseAnswerIsLostFailsLongBeforeItsContextEnds(t *testing.T) {
	t.Parallel()
	b, _ := listening(t)
	credentials := broker.User + ":" + b.Secret() + "@"
	line := newLine(t, strings.TrimPrefix(b.URL(), "nats://"+credentials))
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: "nats://" + credentials + line.address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	bucket, err := p.Bucket(t.Context(), topology.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	line.deaf.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := bucket.CompareAndSwap(ctx, "key", []byte("1"), 0); err == nil || ctx.Err() != nil {
		t.Errorf("got %v, want an error before the context ends", err)
	}
	line.deaf.Store(false)
	eventually(t, "what was written", func() bool {
		entry, err := bucket.Get(t.Context(), "key")
		return err == nil && string(entry.Value) == "1"
	})
}
