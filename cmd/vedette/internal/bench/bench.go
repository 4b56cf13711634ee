// Package bench measures Vedette on one machine and compares it with other ways
// to do the same work.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/harness"
	"vedette/workers"
	"vedette/workers/check"
)

// Command is `vedette bench`.
func Command() *cobra.Command {
	monitors, l := 0, load{timeout: check.DefaultTimeout, checks: workers.DefaultChecks}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a whole installation on this machine",
		Long: `Runs an installation with many monitors for one web server on loopback, all in
this process, as 'vedette run' does. It prints the number of results, their
lateness and their CPU time, and compares them with a bare loop that makes the
same requests. Only loopback is contacted, and everything is removed.`,
		Example: "  vedette bench --monitors 1000 --interval 10s --for 1m",
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := harness.CheckFlags(cmd, harness.AtLeastOne("--monitors", monitors),
				harness.Limit{Flag: "--interval", Found: l.interval, Holds: l.interval >= time.Second, Expected: "1s or more"},
				harness.Limit{Flag: "--for", Found: l.length, Holds: l.length >= l.interval, Expected: "one interval or more"})
			if err != nil {
				return err
			}
			return l.runLocal(cmd.Context(), monitors, cmd.OutOrStdout())
		},
	}
	cmd.AddCommand(jobsCommand(), probeCommand(), mailCommand(), scaleCommand(), applyCommand(), workersCommand(), targetsCommand(), relayCommand())
	cmd.Flags().IntVar(&monitors, "monitors", 1000, "number of monitors")
	cmd.Flags().DurationVar(&l.interval, "interval", 10*time.Second, "interval of each monitor")
	cmd.Flags().DurationVar(&l.length, "for", time.Minute, "how long to count, once each monitor was checked")
	return cmd
}

// runLocal measures with a target in this process.
func (l load) runLocal(ctx context.Context, monitors int, stdout io.Writer) error {
	listener, err := listen(ctx, 0)
	if err != nil {
		return err
	}
	defer listener.Close() //nolint:errcheck // no connection is needed any more
	go harness.Accept(listener, target{}.answer)
	r, err := l.measure(ctx, monitors, []string{"http://" + listener.Addr().String() + "/"}, func() (time.Duration, error) { return 0, nil })
	if err != nil {
		return err
	}
	if r.all == 0 {
		return errors.New("count results: not every monitor was checked within two intervals")
	}
	_, err = fmt.Fprint(stdout, r.localReport())
	return err
}

func (r *run) localReport() string {
	path, loop := r.used.perThousand(r.arrived), r.bare.perThousand(r.requests)
	expected := float64(r.n) * r.used.took.Seconds() / r.interval.Seconds()
	return fmt.Sprintf(`%d monitors every %s, %d processors
each checked once    %6.1f s after the start
results              %6d in %.1f s, %.0f a minute, %.1f %% of what is due; %d missed
late by              %s
cost of the path     %6.3f CPU-seconds per 1,000 checks, targets included
cost of a bare loop  %6.3f CPU-seconds per 1,000 requests, targets included
ratio                %6.2f
`, r.n, r.interval, processors(), r.all.Seconds(),
		r.arrived, r.used.took.Seconds(), 60*r.used.rate(r.arrived), 100*float64(r.arrived)/expected, r.tally.total.missed.sum(),
		&r.tally.total.late, path, loop, path/loop)
}
