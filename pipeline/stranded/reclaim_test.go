package stranded_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/pool"
	"vedette/pipeline/stranded"
	"vedette/pipeline/topology"
)

// noPid is above the highest pid that Linux gives.
const noPid = 1 << 30

// lease stores a lease as a process does.
func lease(t *testing.T, p *pipeline.Pipeline, l job.Process) {
	t.Helper()
	bucket, err := p.Bucket(t.Context(), topology.Processes)
	if err != nil {
		t.Fatal(err)
	}
	l.V, l.ID = job.Version, l.Name
	if err := pipeline.Put(t.Context(), bucket, l.ID, l); err != nil {
		t.Fatal(err)
	}
}

// patientPool takes jobs from a consumer that delivers a job again after an hour.
func patientPool(t *testing.T, p *pipeline.Pipeline, consumer topology.Consumer, handler pool.Handler) (stop func() error) {
	t.Helper()
	workers, err := pool.New(p, pool.Config{
		Consumer: consumer, AckWait: time.Hour, Grace: 100 * time.Millisecond, Handler: handler,
		Backoff: pool.Backoff{Initial: time.Hour, Max: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	return pipelinetest.Run(t, workers)
}

// kill ends a server and the process with it while a job is held, and starts the
// server again.
func (i *installation) kill(consumer topology.Consumer) {
	i.t.Helper()
	held := make(chan struct{})
	stop := patientPool(i.t, i.p, consumer, func(ctx context.Context, _ pipeline.Delivery) error {
		close(held)
		<-ctx.Done()
		return nil
	})
	pipelinetest.Receive(i.t, held, "the job")
	i.stop() // without the connection, the job cannot be given back
	_ = stop()
	i.start()
}

func TestJobsOfAKilledProcessAreDeliveredAtTheNextStartUnlessAnotherMayHaveThem(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	stages := []string{"check", "mail"}
	for name, c := range map[string]struct {
		leases     []job.Process
		ownsServer bool
		want       bool
	}{
		"it had the server":              {[]job.Process{{Name: "dead", EmbeddedServer: true, Stages: stages}}, true, true},
		"it had no time for a lease":     {nil, true, true},
		"its pid does not exist":         {[]job.Process{{Name: "dead", Host: host, PID: noPid, Stages: stages}}, false, true},
		"it had the pid of this process": {[]job.Process{{Name: "dead", Host: host, PID: os.Getpid(), Stages: stages}}, false, true},
		"it was on another machine":      {[]job.Process{{Name: "unknown", Host: "elsewhere", PID: noPid, Stages: stages}}, true, false},
		"its pid exists":                 {[]job.Process{{Name: "alive", Host: host, PID: os.Getppid(), Stages: stages}}, true, false},
		"another checks elsewhere":       {[]job.Process{{Name: "dead", EmbeddedServer: true, Stages: stages}, {Name: "other", Host: "elsewhere", PID: 1, Stages: stages, Location: "there"}}, true, true},
		"another mails":                  {[]job.Process{{Name: "dead", EmbeddedServer: true, Stages: stages}, {Name: "other", Host: "elsewhere", PID: 1, Stages: []string{"mail"}}}, true, true},
		"another has newer stages":       {[]job.Process{{Name: "dead", EmbeddedServer: true, Stages: stages}, {Name: "other", Host: "elsewhere", PID: 1}}, true, false},
		"nobody is dead":                 {nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, consumer := newInstallation(t), topology.CheckConsumer("here")
			for _, l := range c.leases {
				if l.Location == "" {
					l.Location = "here"
				}
				lease(t, i.p, l)
			}
			publish(t, i.p, topology.CheckSubject("here", "website"), []byte("{}"))
			i.kill(consumer)
			notices := pipelinetest.Notices(t, i.p)
			reclaimed, err := stranded.Reclaim(t.Context(), i.p, c.ownsServer)
			if err != nil {
				t.Fatal(err)
			}
			if got := reclaimed.Jobs == 1; got != c.want {
				t.Fatalf("got %+v, want the job reclaimed: %t", reclaimed, c.want)
			}
			if !c.want {
				return
			}
			again := make(chan pipeline.Delivery, 1)
			patientPool(t, i.p, consumer, func(_ context.Context, d pipeline.Delivery) error {
				again <- d
				return nil
			})
			pipelinetest.Receive(t, again, "the job, again")
			if len(c.leases) == 0 {
				return
			}
			if got := pipelinetest.Receive(t, notices, "a notice"); got.Kind != job.NoticeProcessGone || len(reclaimed.Gone) != 1 || reclaimed.Gone[0].Name != "dead" {
				t.Errorf("got notice %+v and %+v, want that the process is gone", got, reclaimed)
			}
		})
	}
}

// A reset consumer forgets how often it delivered a job; the job's attempts must
// still count.
func TestAttemptsCountAfterTheJobWasReclaimed(t *testing.T) {
	t.Parallel()
	i, consumer := newInstallation(t), topology.MailConsumer(job.MailAlert)
	publish(t, i.p, topology.MailSubject(job.MailAlert, "m1"), []byte("{}"))
	failed := make(chan struct{})
	stop := patientPool(t, i.p, consumer, func(context.Context, pipeline.Delivery) error {
		defer close(failed)
		return errors.New("refused")
	})
	pipelinetest.Receive(t, failed, "the first attempt")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := stranded.Reclaim(t.Context(), i.p, true); err != nil {
		t.Fatal(err)
	}
	attempts := make(chan int, 1)
	patientPool(t, i.p, consumer, func(_ context.Context, d pipeline.Delivery) error {
		attempts <- d.Attempt
		return nil
	})
	if got := pipelinetest.Receive(t, attempts, "the second attempt"); got != 2 {
		t.Errorf("got attempt %d, want 2", got)
	}
}

// Stranded jobs are repaired at the start of the process that has the server.
func TestStrandedJobsAreRepairedAtTheStart(t *testing.T) {
	t.Parallel()
	i, consumer := newInstallation(t), topology.CheckConsumer("here")
	bind(t, i.p, consumer)
	publish(t, i.p, topology.CheckSubject("here", "website"), checkBody(t, "website", time.Now().UTC().Truncate(time.Second)))
	i.restart(consumer, consumerState{floorConsumer: 1, floor: 1, deliveredConsumer: 1, delivered: 1})
	if reclaimed, err := stranded.Reclaim(t.Context(), i.p, true); err != nil || reclaimed.Repaired != 1 {
		t.Fatalf("got %+v, %v, want one repaired job", reclaimed, err)
	}
	jobs, _ := serve(t, i.p, consumer)
	pipelinetest.Receive(t, jobs, "the check")
}
