package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/broker"
	"vedette/producer"
)

// applyScenario is `vedette bench apply`.
type applyScenario struct {
	monitors int
	bare     bool
	profile  string

	stdout, stderr io.Writer
	path           string // to the file
	pipeline       *pipeline.Pipeline
}

func applyCommand() *cobra.Command {
	var s applyScenario
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Measure reading and applying a file with many monitors",
		Long: `Writes a file with many monitors, reads it and stores the definitions, as
'vedette run', 'vedette apply' and SIGHUP do. It repeats that without a change
and with a few changes. For each step it prints the time and the peak memory. It
compares them with encoding/json, which only decodes the same lines. Everything
is removed.`,
		Example: `  vedette bench apply --monitors 100000
  vedette bench apply --monitors 1000000 --bare=false`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := harness.CheckFlags(cmd, upTo("--monitors", s.monitors, maxMonitors)); err != nil {
				return err
			}
			s.stdout, s.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return harness.WithDir(func(dir string) error {
				s.path = filepath.Join(dir, "monitors.yaml")
				return s.run(cmd.Context())
			})
		},
	}
	cmd.Flags().IntVar(&s.monitors, "monitors", 100_000, "number of monitors")
	cmd.Flags().BoolVar(&s.bare, "bare", true, "also read the lines with encoding/json alone")
	cmd.Flags().StringVar(&s.profile, "profile", "", "directory for CPU and memory profiles")
	return cmd
}

func (s *applyScenario) run(ctx context.Context) error {
	size, err := s.write("1m")
	if err != nil {
		return err
	}
	cli.Writef(s.stdout, "%d monitors in %.1f MB, %d processors\n%-38s%9s%9s%16s\n", s.monitors, float64(size)/1e6, processors(), "", "took", "CPU", "memory at most")
	err = withServer(ctx, broker.Config{}, func(p *pipeline.Pipeline, _ *broker.Broker) error {
		s.pipeline = p
		return s.steps(ctx)
	})
	if err != nil || !s.bare {
		return err
	}
	debug.SetGCPercent(100) // the default
	return s.step("encoding/json alone reads it", s.readBare)
}

// steps reads and applies the file as a process does.
func (s *applyScenario) steps(ctx context.Context) (err error) {
	stop, err := startProfile(s.profile, s.monitors)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := s.apply(ctx, "is read", "is applied where nothing was"); err != nil {
		return err
	}
	if err := s.apply(ctx, "is read again", "is applied again, and nothing written"); err != nil {
		return err
	}
	if _, err := s.write("2m"); err != nil {
		return err
	}
	return s.apply(ctx, "is read with one in 1,000 changed", "is applied with these")
}

func (s *applyScenario) apply(ctx context.Context, read, applied string) error {
	var want producer.Definitions
	err := s.step(read, func() error {
		file, err := cli.LoadFile(s.path, s.stderr)
		if err == nil {
			want = cli.Definitions(file)
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.step(applied, func() error {
		_, err := producer.Apply(ctx, s.pipeline, want, cli.Progress(s.stderr, time.Now))
		return err
	})
}

// step prints the time and the memory that a step takes.
func (s *applyScenario) step(name string, do func() error) error {
	debug.FreeOSMemory()
	resetPeak()
	used, err := measure(do)
	if err != nil {
		return err
	}
	peak := "unknown"
	if m := readMemory(); m.peak > 0 {
		peak = fmt.Sprintf("%d MB", m.peak>>20)
	}
	cli.Writef(s.stdout, "%-38s%7.1f s%7.1f s%16s\n", name, used.took.Seconds(), used.cpu.Seconds(), peak)
	return nil
}

// linesPath returns the path to the monitors_file.
func (s *applyScenario) linesPath() string { return strings.TrimSuffix(s.path, ".yaml") + ".ndjson" }

// write writes the files. One monitor in a thousand has its own interval.
func (s *applyScenario) write(interval string) (size int, err error) {
	var head, lines bytes.Buffer
	head.WriteString("recipients:\n")
	for i := range 10 {
		fmt.Fprintf(&head, "  team-%d: team-%d@example.org\n", i, i)
	}
	fmt.Fprintf(&head, "operators: [team-0]\ndefaults:\n  timeout: 5s\n  notify: [team-0, team-1]\nmonitors_file: %s\n", filepath.Base(s.linesPath()))
	for i := range s.monitors {
		fmt.Fprintf(&lines, `{"name": "m-%07d", "http": "http://127.0.0.1:8080/%d"`, i, i)
		if i%1000 == 0 {
			fmt.Fprintf(&lines, `, "interval": "%s"`, interval)
		}
		lines.WriteString("}\n")
	}
	err = errors.Join(os.WriteFile(s.path, head.Bytes(), 0o600), os.WriteFile(s.linesPath(), lines.Bytes(), 0o600))
	if err != nil {
		return 0, fmt.Errorf("write monitors: %w", err)
	}
	return lines.Len(), nil
}

// readBare decodes each line and keeps the results.
func (s *applyScenario) readBare() error {
	file, err := os.Open(s.linesPath())
	if err != nil {
		return fmt.Errorf("read monitors: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	type plain struct {
		Name     string `json:"name"`
		HTTP     string `json:"http"`
		Interval string `json:"interval"`
	}
	var all []plain
	for lines := json.NewDecoder(bufio.NewReader(file)); lines.More(); {
		var m plain
		if err := lines.Decode(&m); err != nil {
			return fmt.Errorf("read monitors: %w", err)
		}
		all = append(all, m)
	}
	if len(all) != s.monitors {
		return fmt.Errorf("read monitors: found %d, expected %d", len(all), s.monitors)
	}
	return nil
}
