package instance

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
)

// Options are the flags for `vedette run` and `vedette worker`.
type Options struct {
	cli.Remote // without a URL, the server inside the process is used

	Data, HTTP, Listen  string
	Replicas            int        // copies of each stream; zero keeps their number
	Location            string     // where checks run
	Concurrency         int        // jobs at once from each queue; zero uses the limits in the file
	Clients             broker.TLS // for the server inside the process
	Insecure            bool
	Stages              []string
	Secrets             string                 // directory; empty means the default
	Probes              map[string]check.Probe // replaces the real probes, for injected faults
	LogFormat, LogLevel string
	refused             func(error) // called when the server refuses a request
}

// Flags adds the flags that both commands have.
func Flags(cmd *cobra.Command, o *Options) {
	f := cmd.Flags()
	f.StringVar(&o.Data, "data", "", "data directory (default server.data in the file, or "+cli.DefaultData+")")
	f.StringVar(&o.Location, "location", job.DefaultLocation, "location where this process runs checks")
	cli.SecretsFlag(cmd, &o.Secrets)
	cli.LogFlags(cmd, &o.LogFormat, &o.LogLevel)
}

// AllStages returns all stages of a process.
func AllStages() []string { return append([]string{workers.StageSchedule}, workers.Stages()...) }

func checkStages(stages []string) error {
	var problems []error
	for _, stage := range stages {
		if !slices.Contains(AllStages(), stage) {
			problems = append(problems, fmt.Errorf("read --stages: found %q, expected one of %s", stage, strings.Join(AllStages(), ", ")))
		}
	}
	return errors.Join(problems...)
}

func checkReplicas(replicas int) error {
	if !slices.Contains([]int{0, 1, 3, 5}, replicas) {
		return fmt.Errorf("read --replicas: found %d, expected 1, 3 or 5", replicas)
	}
	return nil
}

// resolve fills in missing flags from the file.
func (o Options) resolve(server monitor.Server) Options {
	o.Data, o.HTTP, o.Listen = cmp.Or(o.Data, server.Data), cmp.Or(o.HTTP, server.HTTP), cmp.Or(o.Listen, server.NATS)
	o.Replicas = cmp.Or(o.Replicas, server.Replicas)
	o.Location = cmp.Or(o.Location, job.DefaultLocation)
	if len(o.Stages) == 0 {
		o.Stages = AllStages()
	}
	return o
}

// clientTLS returns nil for clear text.
func (o Options) clientTLS() *broker.TLS {
	if o.Clients.CertFile == "" {
		return nil
	}
	return &o.Clients
}
