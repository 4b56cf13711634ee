package bench

import (
	"testing"
)

func TestSilentTargetsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	for _, percent := range []int{0, 1, 20, 33, 50, 99, 100} {
		for _, n := range []int{1, 100, 164, 1000} {
			silent := 0
			for i := range n {
				if silentTarget(i, percent) {
					silent++
				}
			}
			if silent != silentTargets(n, percent) || silent > n*percent/100+1 || silent < n*percent/100 {
				t.Errorf("%d %% of %d: got %d, counted %d, want %d or one more", percent, n, silent, silentTargets(n, percent), n*percent/100)
			}
		}
	}
}
