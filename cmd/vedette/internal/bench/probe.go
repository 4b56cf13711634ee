package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline/job"
	"vedette/workers/check"
)

// probeScenario is `vedette bench probe`.
type probeScenario struct {
	checks, concurrency int
}

func probeCommand() *cobra.Command {
	var s probeScenario
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Compare the cost of a check with bare loops",
		Long: `Checks targets on loopback, in a separate process, by http, https and tcp, each
over a new connection, and prints the CPU time of this process. It compares them
with the same number of requests from a net/http loop without keep-alives, from
a dial loop, and from the minimum for a check: a socket with a deadline, phase
times, a request, and the status of the answer.`,
		Example: "  vedette bench probe --checks 20000 --at-once 64",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := harness.CheckFlags(cmd, harness.Limit{Flag: "--checks", Found: s.checks, Holds: s.checks >= 100, Expected: "100 or more"},
				harness.AtLeastOne("--at-once", s.concurrency))
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&s.checks, "checks", 20_000, "number of checks by http and tcp; a fifth by https")
	cmd.Flags().IntVar(&s.concurrency, "at-once", 64, "how many checks run at once")
	return cmd
}

// contestant is a way to make a check.
type contestant struct {
	name  string
	check func(context.Context) error
}

// contest compares ways to make the same check; the first is Vedette's.
type contest struct {
	kind        string
	checks      int
	contestants []contestant
}

func (s probeScenario) run(ctx context.Context, stdout io.Writer) error {
	targets, server, err := startTargets(0)
	if err != nil {
		return err
	}
	defer server.Stop()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(targets.CA))
	checker, err := check.New(check.Config{RootCAs: roots})
	if err != nil {
		return err
	}
	cli.Writef(stdout, "%d at once, %d processors; targets in another process\n", s.concurrency, processors())
	cli.Writef(stdout, "%-6s %-14s %14s %10s %7s\n", "kind", "by", "CPU µs a check", "a second", "ratio")
	for _, c := range s.contests(checker, targets, roots) {
		if err := s.compare(ctx, stdout, c); err != nil {
			return err
		}
	}
	return nil
}

func (s probeScenario) contests(checker *check.Checker, targets targets, roots *x509.CertPool) []contest {
	vedette := func(spec job.Spec) contestant {
		return contestant{"vedette", func(ctx context.Context) error {
			if result := checker.Check(ctx, spec); result.Health != job.Up {
				return fmt.Errorf("check %s: %s: %s", spec.Target(), result.Class, result.Cause)
			}
			return nil
		}}
	}
	http, https := targets.URLs[0], "https://"+targets.HTTPS+"/"
	address := strings.Trim(strings.TrimPrefix(http, "http:"), "/")
	secure := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return []contest{
		{"http", s.checks, []contestant{vedette(job.Spec{HTTP: &job.HTTP{URL: http}}), bareClient(http, nil), bareSocket(address, nil)}},
		{"https", s.checks / 5, []contestant{vedette(job.Spec{HTTP: &job.HTTP{URL: https}}), bareClient(https, secure), bareSocket(targets.HTTPS, secure)}},
		{"tcp", s.checks, []contestant{vedette(job.Spec{TCP: &job.TCP{Address: address}}), bareDial(address)}},
	}
}

// compare lets the contestants take turns, so that other load on the machine
// affects all, and prints the sums.
func (s probeScenario) compare(ctx context.Context, stdout io.Writer, c contest) error {
	const rounds = 5
	used := make([]pace, len(c.contestants))
	for range rounds {
		for i, contestant := range c.contestants {
			round, err := measure(func() error {
				return repeat(ctx, c.checks/rounds, s.concurrency, func(ctx context.Context, _ int) error { return contestant.check(ctx) })
			})
			if err != nil {
				return fmt.Errorf("check %s by %s: %w", c.kind, contestant.name, err)
			}
			used[i] = used[i].plus(round)
		}
	}
	for i, contestant := range c.contestants {
		cli.Writef(stdout, "%-6s %-14s %14.1f %10.0f %7.2f\n", c.kind, contestant.name,
			1000*used[i].perThousand(c.checks), used[i].rate(c.checks), float64(used[0].cpu)/float64(used[i].cpu))
	}
	return nil
}
