// Package process makes each process known to its installation, and finds the
// others: by the leases they hold, and by asking for their status.
package process

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/micro"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
)

const (
	// renewalInterval is how often a process renews its lease.
	renewalInterval = 5 * time.Second
	// LeaseTime is how long a lease is valid without a renewal.
	LeaseTime = 4 * renewalInterval
	// withdrawTimeout bounds the withdrawal from a server that may be going away.
	withdrawTimeout = 2 * time.Second
)

// Presence is a service that makes this process known to the installation: it
// renews its lease, and answers requests for its status by NATS's protocol for
// services, so that tools for that protocol find the process too.
type Presence struct {
	p       *pipeline.Pipeline
	process job.Process
	config  Config
}

// Config describes a process.
type Config struct {
	// Version is the program's.
	Version string
	// Stages run in the process, checks at Location.
	Stages   []string
	Location string
	// EmbeddedServer is set for a process that runs the NATS server inside.
	EmbeddedServer bool
	// Children, when set, returns the status of the supervised children, and
	// Conditions what the process needs for its work.
	Children   func() []job.ChildStatus
	Conditions func() []job.ProcessCondition
}

// NewPresence makes a presence, which starts with Serve.
func NewPresence(p *pipeline.Pipeline, config Config) *Presence {
	if config.Children == nil {
		config.Children = func() []job.ChildStatus { return nil }
	}
	if config.Conditions == nil {
		config.Conditions = func() []job.ProcessCondition { return nil }
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	started := time.Now().UTC()
	return &Presence{p: p, config: config, process: job.Process{
		V: job.Version, ID: job.DeriveID("process", p.Process(), started.Format(time.RFC3339Nano)),
		Name: p.Process(), Host: host, PID: os.Getpid(), Version: config.Version, Started: started,
		Stages: config.Stages, Location: config.Location, EmbeddedServer: config.EmbeddedServer,
	}}
}

// Serve renews the lease and answers until ctx ends; then it deletes the lease.
// Other processes detect a lease that is neither renewed nor deleted.
func (s *Presence) Serve(ctx context.Context) error {
	leases, err := s.p.Bucket(ctx, topology.Processes)
	if err != nil {
		return err
	}
	service, err := micro.AddService(s.p.Conn(), s.service())
	if err != nil {
		return fmt.Errorf("offer service %s: %w", s.p.Names().Prefix, err)
	}
	defer s.withdraw(ctx, leases, service)
	if err := s.renew(ctx, leases); err != nil {
		return err
	}
	supervise.Ready(ctx)
	renew := time.NewTicker(renewalInterval)
	defer renew.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
			if err := s.renew(ctx, leases); err != nil && ctx.Err() == nil {
				s.p.Logger().WarnContext(ctx, "lease was not renewed; retrying", "error", err)
			}
		}
	}
}

func (s *Presence) renew(ctx context.Context, leases *pipeline.Bucket) error {
	limited, cancel := context.WithTimeout(ctx, renewalInterval)
	defer cancel()
	return pipeline.Put(limited, leases, s.process.ID, s.process)
}

// withdraw deletes the lease. While the server is away that fails, and other
// processes delete it later.
func (s *Presence) withdraw(ctx context.Context, leases *pipeline.Bucket, service micro.Service) {
	if !s.p.Connected() {
		return
	}
	if err := service.Stop(); err != nil {
		s.p.Logger().WarnContext(ctx, "service was not withdrawn", "error", err)
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	if err := leases.Delete(limited, s.process.ID); err != nil {
		s.p.Logger().WarnContext(ctx, "lease was not deleted", "error", err)
	}
}

func (s *Presence) service() micro.Config {
	return micro.Config{
		Name: s.p.Names().Prefix, Version: semantic(s.process.Version),
		Description: "a process of the installation " + s.p.Names().Prefix,
		Metadata:    map[string]string{"process": s.process.Name, "host": s.process.Host, "id": s.process.ID},
		Endpoint: &micro.EndpointConfig{
			Subject: s.p.Names().Subject(topology.ProcessRequest), Handler: micro.HandlerFunc(s.answer),
		},
		QueueGroupDisabled: true, // all processes answer; that of the endpoint alone has no effect
		StatsHandler:       func(*micro.Endpoint) any { return s.status() },
	}
}

func (s *Presence) status() job.ProcessStatus {
	return job.ProcessStatus{V: job.Version, Process: s.process, Conditions: s.config.Conditions(), Children: s.config.Children()}
}

func (s *Presence) answer(request micro.Request) {
	body, err := job.Encode(s.status())
	if err == nil {
		err = request.Respond(body)
	}
	if err != nil {
		s.p.Logger().Warn("status request was not answered", "error", err)
	}
}

// semantic is a version in the form that the protocol for services requires.
// Builds between versions have none.
func semantic(version string) string {
	if found := versionNumber.FindString(version); found != "" {
		return found
	}
	return "0.0.0"
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+`)
