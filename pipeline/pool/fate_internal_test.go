package pool

import (
	"fmt"
	"testing"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

func TestJobOfANewerVersionWaitsAndIsParkedOnlyWhereItWouldBeInTheWay(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("decode: %w", job.ErrNewer)
	for _, c := range []struct {
		stream  topology.Stream
		age     time.Duration
		err     error
		dead    job.Reason
		atLeast time.Duration
		atMost  time.Duration
	}{
		{topology.Mail, 0, err, "", minNewerWait * 3 / 4, minNewerWait * 5 / 4},
		{topology.Mail, 20 * time.Second, err, "", 3 * time.Second, 7 * time.Second},
		{topology.Mail, newerPatience + 1, err, job.ReasonUnsupported, 0, 0},
		{topology.Adhoc, newerPatience + 1, err, job.ReasonUnsupported, 0, 0},
		{topology.Call, newerPatience + 1, err, job.ReasonUnsupported, 0, 0},
		{topology.Checks, 24 * time.Hour, err, "", maxNewerWait * 3 / 4, maxNewerWait * 5 / 4},
		{topology.Result, 24 * time.Hour, err, "", maxNewerWait * 3 / 4, maxNewerWait * 5 / 4},
		{topology.StateLog, 24 * time.Hour, err, "", maxNewerWait * 3 / 4, maxNewerWait * 5 / 4},
		{topology.Timer, 24 * time.Hour, err, "", maxNewerWait * 3 / 4, maxNewerWait * 5 / 4},
		{topology.Mail, 0, job.Dead(job.ReasonGivenUp, err), job.ReasonGivenUp, 0, 0},
	} {
		config := Config{Consumer: topology.Consumer{Stream: c.stream}, GiveUpAfter: time.Second}
		for _, chance := range []float64{0, 0.5, 0.999} {
			got := config.decide(c.err, 1, c.age, chance)
			if got.dead != c.dead || got.counted || got.done || got.wait < c.atLeast || got.wait > c.atMost {
				t.Errorf("%s after %s: got %+v, want dead %q or a wait of %s to %s that counts as no attempt", c.stream, c.age, got, c.dead, c.atLeast, c.atMost)
			}
		}
	}
}
