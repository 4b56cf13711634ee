package e2e_test

import (
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/inspect"
	"vedette/pipeline/pipelinetest"
	"vedette/pipeline/topology"
)

// strandCheck stores an ad-hoc check, and moves its consumer beyond it, as happens
// when the server restarts with a consumer that is newer than its stream.
func strandCheck(t *testing.T, url, id string) {
	t.Helper()
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: url, Process: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	pipelinetest.Strand(t, p, topology.AdhocConsumer("there"), pipeline.Message{Subject: topology.AdhocSubject("there", id), Body: []byte("{}")}) // where no worker is
}

func TestStrandedJobIsFoundByDoctorAndRepairedByTheStageMaintainOrAtTheNextStart(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	found := func() bool {
		output, code := r.vedette("doctor")
		is := strings.Contains(output, "the server holds 1 job for queue adhoc-there that it will not deliver: adhoc.there.a1")
		if is && (code != cli.ExitFound || !strings.Contains(output, "a process with the stage maintain repairs them")) {
			t.Errorf("got %d %s, want exit code %d and the remedy", code, output, cli.ExitFound)
		}
		return is
	}
	r.start("--stages", "schedule,check,evaluate,notify,mail")
	r.ready()
	strandCheck(t, r.natsURL(), "a1")
	if !found() {
		t.Error("got no finding of doctor, want the stranded job")
	}
	r.stop()
	r.start()
	r.ready()
	if found() {
		t.Error("got the finding after a start, want it repaired")
	}
	if output := r.output.String(); !strings.Contains(output, "stranded_jobs_repaired=1") {
		t.Errorf("got no line in the log about the repair:\n%s", output)
	}
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: r.natsURL(), Process: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	eventually(t, "the repaired job in its queue", func() bool {
		queued, err := inspect.ExistsOnLeader(t.Context(), p, topology.Adhoc, topology.AdhocSubject("there", "a1"))
		return err == nil && queued
	})
	eventually(t, "no dead letter", func() bool {
		output, _ := r.vedette("dead", "list")
		return !strings.Contains(output, "undelivered")
	})
	r.stop()
}
