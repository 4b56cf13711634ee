package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/workers/check"
)

// benchProbeOptions are the flags of `vedette bench probe`.
type benchProbeOptions struct {
	checks, atOnce int
}

func benchProbeCommand() *cobra.Command {
	var options benchProbeOptions
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Measure what a check costs, beside bare loops",
		Long: `Checks targets on loopback, which run in a process of their own, by http, https
and tcp, each over a new connection, and prints the CPU time of this process.
Beside it the same number of requests by a bare net/http loop with keep-alives
off, by a bare dial loop, and by the least that deserves to be called a check:
a socket of one's own with a deadline, the times of its phases, a request, and
an answer of which the status is read.`,
		Example: "  vedette bench probe --checks 20000 --at-once 64",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.checks < 100 || options.atOnce < 1 {
				return cli.UsageError(cmd, errors.New("read flags: expected 100 checks or more, and 1 at once or more"))
			}
			return options.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&options.checks, "checks", 20_000, "how many checks of each kind; of https a fifth")
	cmd.Flags().IntVar(&options.atOnce, "at-once", 64, "how many at once")
	return cmd
}

// contestant is a way to make a check.
type contestant struct {
	name string
	once func(context.Context) error
}

// contest is contestants that do the same; the first is ours.
type contest struct {
	kind        string
	checks      int
	contestants []contestant
}

// run measures, and prints.
func (o benchProbeOptions) run(ctx context.Context, stdout io.Writer) error {
	targets, stop, err := startTargets(ctx)
	if err != nil {
		return err
	}
	defer stop()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(targets.CA))
	checker, err := check.New(check.Config{RootCAs: roots})
	if err != nil {
		return err
	}
	cli.Writef(stdout, "%d at once, %d processors; targets in another process\n", o.atOnce, runtime.GOMAXPROCS(0))
	cli.Writef(stdout, "%-6s %-14s %14s %10s %7s\n", "kind", "by", "CPU µs a check", "a second", "ratio")
	for _, c := range o.contests(checker, targets, roots) {
		if err := o.compare(ctx, stdout, c); err != nil {
			return err
		}
	}
	return nil
}

func (o benchProbeOptions) contests(checker *check.Checker, targets benchTargets, roots *x509.CertPool) []contest {
	vedette := func(spec job.Spec) contestant {
		return contestant{"vedette", func(ctx context.Context) error {
			if outcome := checker.Check(ctx, spec); outcome.Health != job.Up {
				return fmt.Errorf("check %s: %s: %s", spec.Target(), outcome.Class, outcome.Cause)
			}
			return nil
		}}
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return []contest{
		{"http", o.checks, []contestant{
			vedette(job.Spec{HTTP: &job.HTTP{URL: targets.HTTP}}), bareClient(targets.HTTP, nil), ownSocket(targets.HTTPAddress, nil),
		}},
		{"https", o.checks / 5, []contestant{
			vedette(job.Spec{HTTP: &job.HTTP{URL: targets.HTTPS}}), bareClient(targets.HTTPS, config), ownSocket(targets.HTTPSAddress, config),
		}},
		{"tcp", o.checks, []contestant{vedette(job.Spec{TCP: &job.TCP{Address: targets.HTTPAddress}}), bareDial(targets.HTTPAddress)}},
	}
}

// compare lets the contestants run in turns, so that what else the machine does
// meets all of them, and prints the sums.
func (o benchProbeOptions) compare(ctx context.Context, stdout io.Writer, c contest) error {
	const rounds = 5
	cpu, took := make([]time.Duration, len(c.contestants)), make([]time.Duration, len(c.contestants))
	for range rounds {
		for i, contestant := range c.contestants {
			began, before := time.Now(), cpuTime()
			if err := o.repeat(ctx, c.checks/rounds, contestant.once); err != nil {
				return fmt.Errorf("%s by %s: %w", c.kind, contestant.name, err)
			}
			cpu[i] += cpuTime() - before
			took[i] += time.Since(began)
		}
	}
	for i, contestant := range c.contestants {
		cli.Writef(stdout, "%-6s %-14s %14.1f %10.0f %7.2f\n", c.kind, contestant.name,
			float64(cpu[i].Microseconds())/float64(c.checks), float64(c.checks)/took[i].Seconds(), float64(cpu[0])/float64(cpu[i]))
	}
	return nil
}

func (o benchProbeOptions) repeat(ctx context.Context, n int, once func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for worker := range o.atOnce {
		group.Go(func() error {
			for i := worker; i < n; i += o.atOnce {
				if err := once(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// bareClient is the standard library's client with keep-alives off.
func bareClient(url string, config *tls.Config) contestant {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	return contestant{"net/http", func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		return errors.Join(err, response.Body.Close())
	}}
}

// ownSocket is a check by hand, the least that deserves the name: a deadline,
// the times of its phases, a request, and an answer of which the status is read.
func ownSocket(address string, config *tls.Config) contestant {
	request := []byte("GET / HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: vedette\r\nConnection: close\r\n\r\n")
	buffers := sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	return contestant{"own socket", func(ctx context.Context) error {
		var phases [4]time.Time
		phases[0] = time.Now()
		ctx, cancel := context.WithTimeout(ctx, check.DefaultTimeout)
		defer cancel()
		conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer hangUp(conn)
		phases[1] = time.Now()
		if err := conn.SetDeadline(phases[0].Add(check.DefaultTimeout)); err != nil {
			return err
		}
		if config != nil {
			own := config.Clone()
			own.ServerName, _, err = net.SplitHostPort(address)
			if err != nil {
				return err
			}
			conn = tls.Client(conn, own)
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		phases[2] = time.Now()
		reader, _ := buffers.Get().(*bufio.Reader)
		defer buffers.Put(reader)
		reader.Reset(conn)
		status, err := reader.ReadSlice('\n')
		if err != nil || !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("read status: found %q, %w", status, err)
		}
		phases[3] = time.Now()
		_, err = io.Copy(io.Discard, reader)
		return err
	}}
}

// bareDial opens a connection and closes it.
func bareDial(address string) contestant {
	return contestant{"bare dial", func(ctx context.Context) error {
		conn, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		hangUp(conn)
		return nil
	}}
}

// hangUp closes a connection without leaving its port in TIME_WAIT.
func hangUp(conn net.Conn) {
	if plain, ok := conn.(*net.TCPConn); ok {
		_ = plain.SetLinger(0) // an error means that it is closed already
	}
	_ = conn.Close()
}

// startTargets runs the targets in a process of their own, whose CPU time is
// not ours.
func startTargets(ctx context.Context) (benchTargets, func(), error) {
	var targets benchTargets
	self, err := os.Executable()
	if err != nil {
		return targets, nil, fmt.Errorf("find the program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bench", "targets") //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	leash, err := cmd.StdinPipe() // its end is the end of the targets
	if err != nil {
		return targets, nil, fmt.Errorf("start targets: %w", err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return targets, nil, fmt.Errorf("start targets: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return targets, nil, fmt.Errorf("start targets: %w", err)
	}
	stop := func() {
		_ = leash.Close()
		_ = cmd.Wait() // how it ends is nobody's affair
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &targets)
	}
	if err != nil {
		stop()
		return targets, nil, fmt.Errorf("start targets: %w", err)
	}
	return targets, stop, nil
}
