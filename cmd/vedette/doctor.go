package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/workers"
	"vedette/workers/doctor"
)

// doctorOptions are the flags of `vedette doctor`.
type doctorOptions struct {
	where  cli.Instance
	window time.Duration
	json   bool
}

func doctorCommand() *cobra.Command {
	var options doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what is wrong with the running system, and what to change",
		Long: `Looks at a running installation from outside: its processes and their parts, how
many slots they have and how many are busy, what waits in the queues and for how
long, the results of the last time, dead letters, how full streams are and how
their copies fare, the workers' clocks, and the disk of a local data directory.

For each finding it tells what was found, why it matters, and which limit, flag
or field to change to what. Exits with 0 when nothing was found, and with 1
otherwise. Where monitors are down is none of its business: see 'vedette status'.

On a server whose users are those of 'vedette roles' it takes the operator.`,
		Example: `  vedette doctor
  vedette doctor --json --nats nats://n1:4222 | jq -r '.findings[].advice'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.window < time.Second || options.window > time.Hour {
				return cli.UsageError(cmd, fmt.Errorf("read --window: found %s, expected 1s to 1h", options.window))
			}
			return options.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	options.where.Flags(cmd)
	cmd.Flags().DurationVar(&options.window, "window", time.Minute, "look at the results of this last time")
	cmd.Flags().BoolVar(&options.json, "json", false, "print JSON")
	return cmd
}

func (o *doctorOptions) run(ctx context.Context, to io.Writer) error {
	p, err := o.where.Connect(ctx)
	if err != nil {
		return err
	}
	s, err := workers.TakeSnapshot(ctx, p, o.window)
	if err := cli.JoinClose(p, err); err != nil {
		return fmt.Errorf("examine installation: %w", err)
	}
	if len(s.Processes)+len(s.Silent) == 0 {
		return fmt.Errorf("examine installation: %w", errNoProcess)
	}
	if o.where.Local() {
		s.Disk = localDisk(o.where.Data)
	}
	findings := doctor.Examine(s)
	show := showFindings
	if o.json {
		show = jsonFindings
	}
	if err := show(to, findings, s); err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	if len(findings) > 0 {
		return &cli.ExitError{Code: cli.ExitFailed}
	}
	return nil
}

// localDisk is the disk of a directory, zero when the system does not tell.
func localDisk(dir string) doctor.Disk {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil || stat.Bsize <= 0 {
		return doctor.Disk{}
	}
	size := uint64(stat.Bsize)
	return doctor.Disk{Path: dir, Free: stat.Bavail * size, Size: stat.Blocks * size}
}

func jsonFindings(to io.Writer, findings []doctor.Finding, s doctor.Snapshot) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		At       time.Time        `json:"at"`
		Findings []doctor.Finding `json:"findings"`
	}{s.At.UTC(), append([]doctor.Finding{}, findings...)})
}

func showFindings(to io.Writer, findings []doctor.Finding, s doctor.Snapshot) error {
	if len(findings) == 0 {
		_, err := fmt.Fprintf(to, "nothing found; processes: %d, checks of the last %s: %d\n", len(s.Processes), s.Window, checkedSlots(s))
		return err
	}
	for i, f := range findings {
		if i > 0 {
			cli.Writef(to, "\n")
		}
		if _, err := fmt.Fprintf(to, "%s\n  why  %s\n  do   %s\n", cli.Printable(f.Found), cli.Printable(f.Why), cli.Printable(f.Advice)); err != nil {
			return err
		}
	}
	return nil
}

func checkedSlots(s doctor.Snapshot) int {
	total := 0
	for i := range s.Locations {
		total += s.Locations[i].Checked
	}
	return total
}
