package e2e_test

import (
	"flag"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette/cmd/vedette/internal/cli"
)

var clusterFor = flag.Duration("cluster", 0, "length of the cluster soak; none by default")

// soaked runs a soak and returns its figures.
func soaked(t *testing.T, args ...string) map[string]int {
	t.Helper()
	r := newInstance(t, "")
	output, code := r.vedette(append([]string{"soak"}, args...)...)
	t.Log(output)
	if code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	figures := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^(enqueued|done|dead|pending|lost|done more than once)\s+(\d+)|workers (killed) (\d+) times`).FindAllStringSubmatch(output, -1) {
		n, err := strconv.Atoi(match[2] + match[4])
		if err != nil {
			t.Fatal(err)
		}
		figures[match[1]+match[3]] = n
	}
	return figures
}

func TestNothingIsLostWhileWorkersAndServerAreKilled(t *testing.T) {
	t.Parallel()
	got := soaked(t, "--for", "8s", "--jobs", "4000", "--workers", "3", "--chaos")
	if got["enqueued"] != 4000 || got["done"]+got["dead"] != 4000 || got["lost"] != 0 || got["pending"] != 0 {
		t.Errorf("got %v, want 4000 enqueued, and all of them done or dead", got)
	}
	if got["dead"] < 70 { // 40 are malformed, 39 have no probe
		t.Errorf("got %d dead, want at least the invalid jobs", got["dead"])
	}
	if got["killed"] < 5 {
		t.Errorf("got %d workers killed, want one each second", got["killed"])
	}
}

func TestNoJobRunsTwiceWithoutACrash(t *testing.T) {
	t.Parallel()
	// Some jobs take as long as the ack wait, so that only renewals keep them.
	got := soaked(t, "--for", "3s", "--jobs", "1500", "--workers", "2", "--ack-wait", "1s")
	if got["enqueued"] != 1500 || got["done"]+got["dead"] != 1500 || got["done more than once"] != 0 {
		t.Errorf("got %v, want 1500 jobs, each done or dead once", got)
	}
}

// 'vedette soak cluster' takes minutes, so it only runs on demand:
// go test ./cmd/vedette/e2e -run Soaked -cluster 2m.
func TestSoakedClusterLosesNothing(t *testing.T) {
	t.Parallel()
	if *clusterFor < time.Second {
		t.Skip("takes minutes: set the length with -cluster")
	}
	output, code := newInstance(t, "").within(2*(*clusterFor)+10*patience, "soak", "cluster", "--for", clusterFor.String())
	t.Log(output)
	if code != cli.ExitOK || !regexp.MustCompile(`(?m)^lost +0$`).MatchString(output) || !strings.Contains(output, "the leader was killed") {
		t.Errorf("got exit code %d, want 0 and nothing lost", code)
	}
}
