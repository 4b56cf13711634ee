package main

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/workers"
	"vedette/workers/doctor"
)

// doctorOptions are the flags for `vedette doctor`.
type doctorOptions struct {
	where  cli.Instance
	window time.Duration
	json   bool
}

func doctorCommand() *cobra.Command {
	options := doctorOptions{where: cli.Instance{Tolerant: true}}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find problems in the running system, with advice",
		Long: `Examines a running installation from outside: its processes and their children,
job slots and how many are busy, queue lengths and waiting times, recent results,
dead letters, the size of streams and the state of their copies, the workers'
clocks, and the disk of a local data directory. What processes lack for their work,
such as storage, is found even if nothing else can be read.

For each finding it prints what was found, why it matters, and which limit, flag or
field to change. Exits with 0 if nothing was found, and with 1 otherwise. It does
not report monitors that are down: see 'vedette status'.

On a server with the users from 'vedette roles' it needs the role admin.`,
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
	cmd.Flags().DurationVar(&options.window, "window", time.Minute, "examine the results from this long ago until now")
	cmd.Flags().BoolVar(&options.json, "json", false, "print JSON")
	return cmd
}

func (o *doctorOptions) run(ctx context.Context, to io.Writer) error {
	s, err := cli.Query(ctx, &o.where, func(ctx context.Context, p *pipeline.Pipeline) (doctor.Snapshot, error) {
		return workers.TakeSnapshot(ctx, p, o.window)
	})
	if err == nil && len(s.Processes)+len(s.Silent) == 0 {
		err = cli.ErrNoProcess
	}
	if last, faulty := o.where.LastWord(); faulty && err != nil {
		s, err = doctor.Snapshot{At: time.Now(), Processes: []job.ProcessStatus{last}, Unread: err}, nil
	} else if faulty && len(s.Processes) == 0 {
		s.Processes = []job.ProcessStatus{last}
	}
	if err != nil {
		return fmt.Errorf("examine installation: %w", err)
	}
	if o.where.Local() {
		s.Disk = localDisk(o.where.Data)
	}
	findings := doctor.Examine(s)
	if o.json {
		err = cli.PrintJSON(to, struct {
			At       time.Time        `json:"at"`
			Findings []doctor.Finding `json:"findings"`
		}{s.At.UTC(), append([]doctor.Finding{}, findings...)})
	} else {
		err = printFindings(to, findings, s)
	}
	if err == nil && len(findings) > 0 {
		err = cli.ErrFound
	}
	return err
}

// localDisk returns the disk of a directory, or a zero value if it is unknown.
func localDisk(dir string) doctor.Disk {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil || stat.Bsize <= 0 {
		return doctor.Disk{}
	}
	size := uint64(stat.Bsize)
	return doctor.Disk{Path: dir, Free: stat.Bavail * size, Size: stat.Blocks * size}
}

func printFindings(to io.Writer, findings []doctor.Finding, s doctor.Snapshot) error {
	if len(findings) == 0 {
		checks := 0
		for i := range s.Locations {
			checks += s.Locations[i].Checked
		}
		_, err := fmt.Fprintf(to, "nothing found; processes: %d, checks in the last %s: %d\n", len(s.Processes), s.Window.Round(time.Second), checks)
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
