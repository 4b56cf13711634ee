package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/producer"
)

// benchApply are the flags of `vedette bench apply`.
type benchApply struct {
	monitors int
	bare     bool
	profile  string
}

func benchApplyCommand() *cobra.Command {
	var options benchApply
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Measure reading and applying a file of many monitors",
		Long: `Writes a file of many monitors, and does with it what 'vedette run', 'vedette
apply' and SIGHUP do: it reads the file, stores what it says, and then the same
again, which writes nothing. It tells what each stage took, and the most memory
that the process had in it, beside a plain reading of the same lines by
encoding/json alone, which knows nothing of monitors. Everything is removed.`,
		Example: `  vedette bench apply --monitors 100000
  vedette bench apply --monitors 1000000 --bare=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.monitors < 1 || options.monitors > maxScale {
				return cli.UsageError(cmd, fmt.Errorf("read --monitors: found %d, expected 1 to %d", options.monitors, maxScale))
			}
			return options.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&options.monitors, "monitors", 100_000, "how many monitors")
	cmd.Flags().BoolVar(&options.bare, "bare", true, "read the lines with encoding/json alone, too")
	cmd.Flags().StringVar(&options.profile, "profile", "", "write profiles of processor and memory into this directory")
	return cmd
}

// applyRun is one measurement.
type applyRun struct {
	benchApply

	stdout, stderr io.Writer
	path           string // of the file
	pipeline       *pipeline.Pipeline
}

func (o benchApply) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "vedette-bench-*")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &applyRun{benchApply: o, stdout: stdout, stderr: stderr, path: filepath.Join(dir, "monitors.yaml")}
	size, err := writeManyMonitors(r.path, o.monitors, "1m")
	if err != nil {
		return err
	}
	cli.Writef(stdout, "%d monitors in %.1f MB, %d processors\n%-38s%9s%9s%16s\n", o.monitors, float64(size)/1e6, runtime.GOMAXPROCS(0), "", "took", "CPU", "memory at most")
	err = withServer(ctx, broker.Config{Dir: dir}, func(p *pipeline.Pipeline) error { return r.stages(ctx, p) })
	if err != nil || !o.bare {
		return err
	}
	debug.SetGCPercent(100) // as it would be without us
	return r.stage("encoding/json alone reads it", func() error { return readBare(ndjsonPath(r.path)) })
}

// stages does with the file what a process does.
func (r *applyRun) stages(ctx context.Context, p *pipeline.Pipeline) (err error) {
	r.pipeline = p
	stop, err := startProfile(r.profile, r.monitors)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := r.apply(ctx, "is read", "is applied where nothing was"); err != nil {
		return err
	}
	if err := r.apply(ctx, "is read again", "is applied again, and nothing written"); err != nil {
		return err
	}
	if _, err := writeManyMonitors(r.path, r.monitors, "2m"); err != nil {
		return err
	}
	return r.apply(ctx, "is read with one in 1,000 changed", "is applied with these")
}

// apply reads the file and applies it, as two stages.
func (r *applyRun) apply(ctx context.Context, read, applied string) error {
	var want producer.Definitions
	err := r.stage(read, func() error {
		file, err := cli.LoadFile(r.path, r.stderr)
		if err == nil {
			want = cli.Definitions(file)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.stage(applied, func() error {
		_, err := producer.ApplyWith(ctx, r.pipeline, want, cli.Progress(r.stderr, time.Now))
		return err
	})
}

// stage tells what a part of the work takes.
func (r *applyRun) stage(name string, do func() error) error {
	debug.FreeOSMemory()
	forgetPeak()
	began, cpu := time.Now(), cpuTime()
	if err := do(); err != nil {
		return err
	}
	took, used := time.Since(began), cpuTime()-cpu
	most := "untold"
	if peak := readMemory().peak; peak > 0 {
		most = fmt.Sprintf("%d MB", peak>>20)
	}
	cli.Writef(r.stdout, "%-38s%7.1f s%7.1f s%16s\n", name, took.Seconds(), used.Seconds(), most)
	return nil
}

// forgetPeak has the system count anew what memory the process has at most.
// Where it does not, the peak is that of the stages before, too.
func forgetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// ndjsonPath is where the monitors of a file are.
func ndjsonPath(path string) string { return strings.TrimSuffix(path, ".yaml") + ".ndjson" }

// writeManyMonitors writes a file with plain monitors in a monitors_file, with an
// interval of their own for one in a thousand.
func writeManyMonitors(path string, monitors int, interval string) (size int, err error) {
	var head strings.Builder
	head.WriteString("recipients:\n")
	for i := range 10 {
		fmt.Fprintf(&head, "  team-%d: team-%d@example.org\n", i, i)
	}
	lines := ndjsonPath(path)
	fmt.Fprintf(&head, "operators: [team-0]\ndefaults:\n  timeout: 5s\n  notify: [team-0, team-1]\nmonitors_file: %s\n", filepath.Base(lines))
	if err := os.WriteFile(path, []byte(head.String()), 0o600); err != nil {
		return 0, fmt.Errorf("write monitors: %w", err)
	}
	file, err := os.Create(lines) //nolint:gosec // in a directory of our own
	if err != nil {
		return 0, fmt.Errorf("write monitors: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	for i := range monitors {
		cli.Writef(w, `{"name": "m-%07d", "http": "http://127.0.0.1:8080/%d"`, i, i)
		if i%1000 == 0 {
			cli.Writef(w, `, "interval": "%s"`, interval)
		}
		cli.Writef(w, "}\n")
	}
	if err := w.Flush(); err != nil {
		return 0, fmt.Errorf("write monitors: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("write monitors: %w", err)
	}
	return int(info.Size()), nil
}

// readBare decodes each line and keeps the results, and does nothing else.
func readBare(path string) (err error) {
	file, err := os.Open(path) //nolint:gosec // our own
	if err != nil {
		return fmt.Errorf("read monitors: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	type plain struct{ Name, HTTP, Interval string }
	var all []plain
	for lines := json.NewDecoder(bufio.NewReader(file)); ; {
		var m plain
		switch err := lines.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read monitors: %w", err)
		}
		all = append(all, m)
	}
}
