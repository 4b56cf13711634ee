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

// checkOptions are the flags for `vedette check`.
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
		Long: `Checks targets in parallel and prints which are up. A target is a URL, a host
(checked by http) or host:port (checked by connecting). URLs may have the schemes
http, https, tcp, tls, dns, icmp, grpc, grpcs, ws and wss. No running instance is
needed.

Exits with 0 if all targets are up or degraded, with 1 if some are down, and with 3
if some could not be checked.

A URL may contain secrets, such as '${secret:NAME}' in single quotes. The secret is
read from the file NAME in the directory --secrets, or from the variable
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
				return cli.UsageError(cmd, err)
			}
			return options.run(cmd.Context(), cmd.OutOrStdout(), args, specs)
		},
	}
	cmd.Flags().DurationVar(&options.timeout, "timeout", 10*time.Second, "total time for one check")
	cmd.Flags().IntVar(&options.parallel, "parallel", 64, "checks that run at once")
	cmd.Flags().StringArrayVar(&options.expect, "expect", nil, "expression that must be true for each target (may be repeated)")
	cmd.Flags().StringArrayVar(&options.warn, "warn", nil, "expression that must be true, or else a target that is up counts as degraded (may be repeated)")
	cmd.Flags().BoolVar(&options.negate, "negate", false, "invert the result")
	cli.SecretsFlag(cmd, &options.secrets)
	cmd.Flags().BoolVar(&options.json, "json", false, "print a JSON object for each target")
	return cmd
}

// specs reads the targets and flags. The error has all mistakes.
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

// run checks all targets, and prints the results as they arrive.
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
	for i, result := range check.CheckAll(ctx, specs, o.parallel, checker.Check) {
		if err := o.printResult(stdout, names[i], result); err != nil {
			return err
		}
		switch result.Health {
		case job.Up, job.Degraded, job.Pending:
		case job.Down:
			code = max(code, cli.ExitFound)
		default:
			code = cli.ExitFailed
		}
	}
	return &cli.ExitError{Code: code}
}

func (o checkOptions) printResult(stdout io.Writer, name string, result job.ProbeResult) error {
	if o.json {
		return json.NewEncoder(stdout).Encode(struct {
			Target string `json:"target"`
			job.ProbeResult
		}{name, result})
	}
	latency := result.Latency.Std().Round(100 * time.Microsecond)
	var err error
	switch result.Health {
	case job.Up:
		_, err = fmt.Fprintf(stdout, "%s is UP! (%s)\n", name, latency)
	case job.Degraded:
		_, err = fmt.Fprintf(stdout, "%s is DEGRADED! (%s) %s: %s\n", name, latency, result.Class, result.Cause)
	case job.Down:
		_, err = fmt.Fprintf(stdout, "%s is DOWN! (%s) %s: %s\n", name, latency, result.Class, result.Cause)
	default:
		_, err = fmt.Fprintf(stdout, "%s could not be checked (%s): %s\n", name, latency, result.Cause)
	}
	return err
}
