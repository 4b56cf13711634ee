package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"vedette/cmd/vedette/internal/cli"
	"vedette/workers/doctor"
)

// silentListener accepts connections and never answers.
func silentListener(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // the system accepts for it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func TestDoctorFindsNothingThenSaysWhichLimitToRaise(t *testing.T) {
	t.Parallel()
	x, box := newTarget(t), newInbox(t)
	r := newInstance(t, watching(x, box))
	if output, code := r.vedette("doctor"); code != cli.ExitFailed || !strings.Contains(output, "hint: ") {
		t.Errorf("got %d %s, want that nothing runs, with a hint", code, output)
	}
	r.start()
	r.ready()
	eventually(t, "a monitor that is up", func() bool { return r.health("website") == "up" })
	if output, code := r.vedette("doctor"); code != cli.ExitOK || !strings.Contains(output, "nothing found; processes: 1, ") {
		t.Errorf("got %d %s, want nothing", code, output)
	}
	r.stop()

	// Ten silent monitors hold ten slots, and there are two.
	var crowd strings.Builder
	crowd.WriteString(watching(x, box))
	silent := silentListener(t)
	for i := range 10 {
		fmt.Fprintf(&crowd, "  - {name: silent-%d, http: 'http://%s/', interval: 2s, timeout: 1900ms}\n", i, silent)
	}
	r.write(crowd.String() + "workers: {checks: 2}\n")
	r.start()
	r.ready()
	var findings []doctor.Finding
	eventually(t, "advice to raise a limit", func() bool {
		output, code := r.vedette("doctor", "--window", "10s", "--json")
		var said struct{ Findings []doctor.Finding }
		if err := json.Unmarshal([]byte(output), &said); err != nil {
			t.Fatalf("got %s, %v, want JSON", output, err)
		}
		findings = said.Findings
		return code == cli.ExitFound && len(findings) > 0 && findings[0].Kind == doctor.Saturated && strings.Contains(findings[0].Why, "expired")
	})
	if f := findings[0]; !strings.Contains(f.Found, "checks at location default: ") || !strings.Contains(f.Advice, "raise workers.checks from 2 to ") {
		t.Errorf("got %+v, want the location and the limit", f)
	}
	output, code := r.vedette("doctor")
	for _, want := range []string{"\n  why  ", "\n  do   raise workers.checks from 2 to ", "or start "} {
		if code != cli.ExitFound || !strings.Contains(output, want) {
			t.Errorf("got %d %s, want %q in it", code, output, want)
		}
	}
	if output, code := r.vedette("doctor", "--window", "1ms"); code != cli.ExitUsage {
		t.Errorf("got %d %s, want a refusal of the window", code, output)
	}
	r.stop()
}
