package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Without ticks nothing is scheduled. That is a condition of its own and a finding,
// and clocks that were removed are started again.
func TestMissingClocksAreNoticedAndRepaired(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	d := &faultyDisk{running: r, box: box}
	r.start()
	r.ready()
	eventually(t, "a monitor that is up", func() bool { return r.health("website") == "up" })
	url, err := broker.FindURL(filepath.Join(r.dir, "vedette-data"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.Connect(t.Context(), pipeline.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	body := fmt.Appendf(nil, `{"filter": %q}`, p.Names().Subject(topology.ClockSubject("*")))
	if _, err := p.Conn().RequestWithContext(t.Context(), "$JS.API.STREAM.PURGE."+p.Names().Stream(topology.Tick), body); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the fault in /readyz", func() bool { return d.condition(job.ProcessSchedule).Reason == job.FaultNoTicks })
	r.ready()
	if !strings.Contains(r.output.String(), "no ticks come; streams and clocks are examined") {
		t.Error("got no line about the repair")
	}
	r.stop()
}

// A process that schedules checks which are never made is unready, and doctor does
// not find "nothing".
func TestChecksThatAreNeverMadeAreNoticed(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	d := &faultyDisk{running: newInstance(t, "monitors: [{name: m, http: '"+x.url+"', interval: 2s, timeout: 1s}]")}
	d.start("--stages", "schedule,evaluate,notify,mail,maintain")
	d.ready()
	eventually(t, "the finding", func() bool {
		output, code := d.vedette("doctor")
		return code == cli.ExitFound && strings.Contains(output, "though 1 monitor should have one\n  why  nothing is watched")
	})
	eventually(t, "the fault in /readyz", func() bool { return d.condition(job.ProcessResults).Reason == job.FaultNoResults })
	if output, code := d.vedette("doctor"); code != cli.ExitFound || !strings.Contains(output, "results of process") || !strings.Contains(output, "none has a result since") {
		t.Errorf("got %d %s, want the condition too", code, output)
	}
	d.stop()
}
