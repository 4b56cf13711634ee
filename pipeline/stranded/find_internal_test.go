package stranded

import (
	"testing"
	"time"

	"vedette/pipeline"
)

func TestMessagesAboveTheFloorAreStrandedOnlyIfThatIsCertain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const young, old = time.Second, time.Hour
	for name, c := range map[string]struct {
		state passed
		ages  []time.Duration // of the messages with sequences from 1
		want  int
	}{
		"nothing":                                  {passed{floor: 9, delivered: 9}, nil, 0},
		"below the floor, however young":           {passed{floor: 2, delivered: 2}, []time.Duration{young, young}, 2},
		"not delivered yet":                        {passed{floor: 0, delivered: 0, countable: true}, []time.Duration{old, old}, 0},
		"held for long":                            {passed{delivered: 1, unsettled: 1, countable: true}, []time.Duration{old}, 0},
		"forgotten":                                {passed{delivered: 1, countable: true}, []time.Duration{old}, 1},
		"forgotten next to a held one":             {passed{delivered: 2, unsettled: 1, countable: true}, []time.Duration{old, young}, 1},
		"forgotten, but young":                     {passed{delivered: 1, countable: true}, []time.Duration{young}, 0},
		"one of two forgotten, unknown which":      {passed{delivered: 2, unsettled: 1, countable: true}, []time.Duration{old, old}, 0},
		"forgotten in a queue that delays its job": {passed{delivered: 1}, []time.Duration{old}, 0},
		"too many to count":                        {passed{delivered: 1, unsettled: maxUnsettled + 1, countable: true}, []time.Duration{old}, 0},
		"some below and one above":                 {passed{floor: 1, delivered: 2, countable: true}, []time.Duration{old, old}, 2},
	} {
		state := c.state
		for i, age := range c.ages {
			if !state.add(pipeline.Delivery{Sequence: uint64(i) + 1, Stored: now.Add(-age)}, now) {
				break
			}
		}
		if got := len(state.stranded()); got != c.want {
			t.Errorf("%s: got %d stranded, want %d", name, got, c.want)
		}
	}
}
