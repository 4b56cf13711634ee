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
	// leaseRenewed is how often a process renews its lease.
	leaseRenewed = 5 * time.Second
	// LeaseTime is after how long without that others take a process for gone.
	LeaseTime = 4 * leaseRenewed
	// withdrawTimeout bounds the withdrawal from a server that may be going away.
	withdrawTimeout = 2 * time.Second
)

// Presence is a service that makes this process known to the installation: it
// keeps its lease, and answers who asks what the process does, by NATS's
// protocol for services, so that tools that know it find the process too.
type Presence struct {
	p        *pipeline.Pipeline
	process  job.Process
	children func() []job.ChildStatus
}

// NewPresence makes a presence, which starts with Serve. version is the
// program's, roles and location say what it does and where, children tells what
// its parts do.
func NewPresence(p *pipeline.Pipeline, version string, roles []string, location string, children func() []job.ChildStatus) *Presence {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	started := time.Now().UTC()
	return &Presence{p: p, children: children, process: job.Process{
		V: job.Version, ID: job.DeriveID("process", p.Process(), started.Format(time.RFC3339Nano)),
		Name: p.Process(), Host: host, PID: os.Getpid(), Version: version, Started: started,
		Stages: roles, Location: location,
	}}
}

// Serve keeps the lease and answers until ctx ends; then it takes the lease
// away. A process that ends without that is noticed by the others.
func (s *Presence) Serve(ctx context.Context) error {
	leases, err := s.p.Bucket(ctx, topology.Processes)
	if err != nil {
		return err
	}
	service, err := micro.AddService(s.p.Conn(), s.config())
	if err != nil {
		return fmt.Errorf("offer service %s: %w", s.p.Names().Prefix, err)
	}
	defer s.withdraw(ctx, leases, service)
	if err := s.renew(ctx, leases); err != nil {
		return err
	}
	supervise.Ready(ctx)
	renew := time.NewTicker(leaseRenewed)
	defer renew.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
			if err := s.renew(ctx, leases); err != nil && ctx.Err() == nil {
				s.p.Logger().WarnContext(ctx, "renew lease of process", "error", err) // the next turn tries again
			}
		}
	}
}

func (s *Presence) renew(ctx context.Context, leases *pipeline.Bucket) error {
	limited, cancel := context.WithTimeout(ctx, leaseRenewed)
	defer cancel()
	return pipeline.Store(limited, leases, s.process.ID, s.process)
}

// withdraw leaves no trace of the process. While the server is away there is
// nobody to tell; then the others notice, and take the lease away.
func (s *Presence) withdraw(ctx context.Context, leases *pipeline.Bucket, service micro.Service) {
	if !s.p.Connected() {
		return
	}
	if err := service.Stop(); err != nil {
		s.p.Logger().WarnContext(ctx, "withdraw service", "error", err)
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	if err := leases.Delete(limited, s.process.ID); err != nil {
		s.p.Logger().WarnContext(ctx, "give up lease of process", "error", err)
	}
}

func (s *Presence) config() micro.Config {
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
	return job.ProcessStatus{V: job.Version, Process: s.process, Children: s.children()}
}

func (s *Presence) answer(request micro.Request) {
	body, err := job.Encode(s.status())
	if err == nil {
		err = request.Respond(body)
	}
	if err != nil {
		s.p.Logger().Warn("answer what the process does", "error", err)
	}
}

// semantic is a version as the protocol for services wants it. A build between
// versions has none.
func semantic(version string) string {
	if found := versionNumber.FindString(version); found != "" {
		return found
	}
	return "0.0.0"
}

var versionNumber = regexp.MustCompile(`\d+\.\d+\.\d+`)
