package producer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/pipelinetest"
	"vedette/producer"
)

// numbered returns monitors m-FROM to m-TO.
func numbered(from, to int) []job.Monitor {
	var all []job.Monitor
	for n := from; n <= to; n++ {
		all = append(all, monitor(fmt.Sprintf("m-%d", n), time.Minute))
	}
	return all
}

func TestDefinitionsWithoutMostMonitorsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stored, wanted []job.Monitor
		says           string // in the error; empty if it is applied
	}{
		"a new installation without monitors": {nil, nil, ""},
		"two of two":                          {numbered(1, 2), numbered(1, 2), ""},
		"one of two":                          {numbered(1, 2), numbered(2, 2), ""},
		"none of two":                         {numbered(1, 2), nil, "2 of 2 stored monitors are missing among the 0 found: m-1, m-2"},
		"none of one":                         {numbered(1, 1), nil, "1 of 1 stored monitors are missing among the 0 found: m-1"},
		"the only one was renamed":            {numbered(1, 1), numbered(2, 2), ""},
		"both were renamed":                   {numbered(1, 2), numbered(3, 4), "2 of 2 stored monitors are missing among the 2 found: m-1, m-2"},
		"one of three":                        {numbered(1, 3), numbered(2, 2), "2 of 3 stored monitors are missing among the 1 found: m-1, m-3"},
		"half":                                {numbered(1, 6), numbered(4, 6), ""},
		"less than half":                      {numbered(1, 9), numbered(6, 9), "5 of 9 stored monitors are missing among the 4 found: m-1, m-2, m-3, m-4, m-5"},
		"few of many":                         {numbered(1, 8), numbered(8, 9), "7 of 8 stored monitors are missing among the 2 found: m-1, m-2, m-3, m-4, m-5 and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pipelinetest.New(t, pipeline.Config{})
			apply(t, p, producer.Definitions{Monitors: c.stored})
			before := revisions(t, p)
			want := producer.Definitions{Encoded: encoded(t, c.wanted...)}
			if c.says == "" {
				apply(t, p, want)
				return
			}
			for _, dry := range []bool{true, false} {
				change, err := producer.Apply(t.Context(), p, want, producer.ApplyOptions{Dry: dry})
				if !errors.Is(err, producer.ErrRemovals) || !strings.HasSuffix(err.Error(), c.says) || change.Empty() {
					t.Errorf("dry %t: got %v with %+v, want the change and an error with %q", dry, err, change, c.says)
				}
			}
			if diff := cmp.Diff(before, revisions(t, p)); diff != "" {
				t.Errorf("refused change (-want +got):\n%s", diff)
			}
			if _, err := producer.Apply(t.Context(), p, want, producer.ApplyOptions{AllowRemovals: true}); err != nil {
				t.Errorf("got %v, want the allowed change", err)
			}
			if got := len(revisions(t, p)); got != len(c.wanted) {
				t.Errorf("got %d stored, want %d", got, len(c.wanted))
			}
		})
	}
}
