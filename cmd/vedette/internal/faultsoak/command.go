// Package faultsoak injects faults into a running instance, one after the other,
// and measures how long each takes to be noticed, reported and healed.
package faultsoak

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
)

// Command is `vedette soak faults`.
func Command() *cobra.Command {
	var s soak
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Prove on this machine that faults of Vedette itself are noticed and healed",
		Long: `Runs an instance with its own target, two mail relays and a watchdog receiver, all
on loopback, and injects one fault after the other until the time is over, each at
least once. For each it prints the seconds until it was noticed by /readyz and by
'vedette doctor', until people heard of it (by a mail, a ping to the watchdog's
/fail, or the watchdog's silence), and from its end until the first check. It also
counts the slots without a check, by reason, and the mails that arrived.

Faults of the disk need root on Linux, to mount a small file system in memory; they
are left out otherwise. Everything is removed at the end.

Exits with 1 when a fault was not noticed, reported or healed in time, or when a
mail was lost or sent twice.`,
		Example: `  vedette soak faults --for 5m
  vedette soak faults --only killed,relays-away --for 1m`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(cmd); err != nil {
				return err
			}
			s.stdout, s.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return harness.WithDir(func(dir string) error { return s.run(cmd.Context(), dir) })
		},
	}
	f := cmd.Flags()
	f.DurationVar(&s.length, "for", 5*time.Minute, "how long to inject faults; each is injected at least once")
	f.StringSliceVar(&s.only, "only", nil, "faults to inject (default all): "+strings.Join(names(), ", "))
	f.DurationVar(&s.limits.noticed, "noticed", 30*time.Second, "how long a fault may go unnoticed")
	f.DurationVar(&s.limits.told, "reported", 2*time.Minute, "how long until a mail or the watchdog reports a fault")
	f.DurationVar(&s.limits.healed, "healed", 10*time.Second, "how long until the first check after a fault")
	f.DurationVar(&s.limits.drained, "drain", 2*time.Minute, "how long to wait at the end for mails that still have to arrive")
	f.BoolVar(&s.verbose, "verbose", false, "print the output of the instance")
	return cmd
}

// check returns the mistakes in the flags.
func (s *soak) check(cmd *cobra.Command) error {
	limits := []harness.Limit{
		{Flag: "--for", Found: s.length, Holds: s.length >= time.Second, Expected: "1s or more"},
		{Flag: "--noticed", Found: s.limits.noticed, Holds: s.limits.noticed > 0, Expected: "more than 0"},
		{Flag: "--reported", Found: s.limits.told, Holds: s.limits.told > 0, Expected: "more than 0"},
		{Flag: "--healed", Found: s.limits.healed, Holds: s.limits.healed > 0, Expected: "more than 0"},
	}
	for _, name := range s.only {
		limits = append(limits, harness.Limit{Flag: "--only", Found: name, Holds: slices.Contains(names(), name), Expected: "one of " + strings.Join(names(), ", ")})
	}
	return harness.CheckFlags(cmd, limits...)
}

// expect returns an error with [cli.ExitFound] unless a condition holds.
func expect(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return &cli.ExitError{Code: cli.ExitFound, Err: fmt.Errorf(format, args...)}
}
