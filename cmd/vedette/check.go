package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/job"
	"vedette/workers/check"
)

// checkOptions are the flags of `vedette check`.
type checkOptions struct {
	timeout  time.Duration
	parallel int
	expect   []string
	warn     []string
	negate   bool
	json     bool
	secrets  string
}

func checkCommand() *cobra.Command {
	var options checkOptions
	cmd := &cobra.Command{
		Use:   "check TARGET...",
		Short: "Check targets once, now",
		Long: `Checks targets at once, and says which are up. A target is a URL, a host, which
is asked by http, or host:port, which is connected to. URLs may have the schemes
http, https, tcp, tls, dns, icmp, grpc, grpcs, ws and wss. It needs no running
instance. Exits with 0 when all are up or degraded, 1 when some are down, and 2
when something could not be tried.

A URL may refer to secrets, such as '${secret:NAME}' in single quotes: each is
the file of its name in the directory --secrets, or the variable
VEDETTE_SECRET_NAME.`,
		Example: `  vedette check https://example.org db.example.org:5432
  vedette check --expect 'status == 301' http://example.org
  vedette check --json --timeout 3s https://example.org
  vedette check tls://example.org:443 --warn 'certificate.expires_in > duration("504h")'
  vedette check dns://example.org icmp://10.0.0.1
  vedette check --secrets ./secrets 'https://me:${secret:password}@example.org'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			specs, err := options.specs(args)
			if err != nil {
				return cli.InputError(err)
			}
			return options.run(cmd.Context(), cmd.OutOrStdout(), args, specs)
		},
	}
	cmd.Flags().DurationVar(&options.timeout, "timeout", 10*time.Second, "how long one check may take, in all")
	cmd.Flags().IntVar(&options.parallel, "parallel", 64, "how many checks run at once")
	cmd.Flags().StringArrayVar(&options.expect, "expect", nil, "expression that must be true of each target (may be repeated)")
	cmd.Flags().StringArrayVar(&options.warn, "warn", nil, "expression without which a target that is up is degraded (may be repeated)")
	cmd.Flags().BoolVar(&options.negate, "negate", false, "up is down, and down is up")
	cli.SecretsFlag(cmd, &options.secrets)
	cmd.Flags().BoolVar(&options.json, "json", false, "print a JSON object for each target")
	return cmd
}

// specs reads the targets, and shows every mistake at once.
func (o checkOptions) specs(args []string) ([]job.Spec, error) {
	var problems []error
	if o.parallel < 1 {
		problems = append(problems, fmt.Errorf("read --parallel: found %d, expected 1 or more", o.parallel))
	}
	if o.timeout <= 0 {
		problems = append(problems, fmt.Errorf("read --timeout: found %s, expected more than 0s", o.timeout))
	}
	validator, err := check.NewValidator()
	if err != nil {
		return nil, err
	}
	specs := make([]job.Spec, len(args))
	for i, arg := range args {
		spec, err := check.ParseTarget(arg)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		spec.Timeout, spec.Expect, spec.Warn, spec.Negate = job.Duration(o.timeout), o.expect, o.warn, o.negate
		for _, p := range validator.Validate(spec) {
			problems = append(problems, fmt.Errorf("check %s: %w", spec.Target(), p))
		}
		specs[i] = spec
	}
	return specs, errors.Join(problems...)
}

// run checks all targets, prints each as it comes, and exits by the worst.
func (o checkOptions) run(ctx context.Context, stdout io.Writer, names []string, specs []job.Spec) error {
	secrets, err := cli.OpenSecrets(o.secrets)
	if err != nil {
		return err
	}
	checker, err := check.New(check.Config{Secrets: secrets})
	if err != nil {
		return err
	}
	code := cli.ExitOK
	for i, outcome := range check.CheckAll(ctx, specs, o.parallel, checker.Check) {
		if err := o.print(stdout, names[i], outcome); err != nil {
			return err
		}
		switch outcome.Health {
		case job.Up, job.Degraded, job.Pending:
		case job.Down:
			code = max(code, cli.ExitFound)
		default:
			code = cli.ExitUsage
		}
	}
	if code == cli.ExitOK {
		return nil
	}
	return &cli.ExitError{Code: code}
}

func (o checkOptions) print(stdout io.Writer, name string, outcome job.ProbeResult) error {
	if o.json {
		return json.NewEncoder(stdout).Encode(struct {
			Target string `json:"target"`
			job.ProbeResult
		}{name, outcome})
	}
	latency := outcome.Latency.Std().Round(100 * time.Microsecond)
	var err error
	switch outcome.Health {
	case job.Up:
		_, err = fmt.Fprintf(stdout, "%s is UP! (%s)\n", name, latency)
	case job.Degraded:
		_, err = fmt.Fprintf(stdout, "%s is DEGRADED! (%s) %s: %s\n", name, latency, outcome.Class, outcome.Cause)
	case job.Down:
		_, err = fmt.Fprintf(stdout, "%s is DOWN! (%s) %s: %s\n", name, latency, outcome.Class, outcome.Cause)
	default:
		_, err = fmt.Fprintf(stdout, "%s could not be checked (%s): %s\n", name, latency, outcome.Cause)
	}
	return err
}
