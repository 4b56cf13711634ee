package instance

import (
	"fmt"
	"slices"
	"strings"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/broker"
	"vedette/pipeline/job"
	"vedette/producer/monitor"
	"vedette/workers"
	"vedette/workers/check"
)

// Options are the flags of `vedette run`.
type Options struct {
	cli.Remote // the server inside unless it names one

	Data, HTTP, Listen  string
	Replicas            int        // of each stream; zero leaves them as they are
	Location            string     // where checks are made
	Concurrency         int        // how many jobs of each queue run at once; zero leaves that to the file
	Clients             broker.TLS // of the server inside
	Insecure            bool
	Stages              []string
	Secrets             string                 // their directory; empty means the default
	Probes              map[string]check.Probe // in place of the real ones, for injected faults
	LogFormat, LogLevel string
	refused             func(error) // is told what the server does not allow
}

// AllStages are all that a process can do.
func AllStages() []string { return append([]string{workers.StageSchedule}, workers.Stages()...) }

func checkStages(stages []string) error {
	for _, stage := range stages {
		if !slices.Contains(AllStages(), stage) {
			return fmt.Errorf("read --stages: found %q, expected %s", stage, strings.Join(AllStages(), ", "))
		}
	}
	return nil
}

func checkReplicas(replicas int) error {
	if !slices.Contains([]int{0, 1, 3, 5}, replicas) {
		return fmt.Errorf("read --replicas: found %d, expected 1, 3 or 5", replicas)
	}
	return nil
}

// resolve takes what the flags do not say from the file.
func (o Options) resolve(server monitor.Server) Options {
	for _, field := range []struct {
		flag *string
		file string
	}{{&o.Data, server.Data}, {&o.HTTP, server.HTTP}, {&o.Listen, server.NATS}} {
		if *field.flag == "" {
			*field.flag = field.file
		}
	}
	if o.Replicas == 0 {
		o.Replicas = server.Replicas
	}
	if len(o.Stages) == 0 {
		o.Stages = AllStages()
	}
	if o.Location == "" {
		o.Location = job.DefaultLocation
	}
	return o
}

// clientTLS is nil for clear text.
func (o Options) clientTLS() *broker.TLS {
	if o.Clients.CertFile == "" {
		return nil
	}
	return &o.Clients
}
