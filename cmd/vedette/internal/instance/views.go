package instance

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers"
	"vedette/workers/web"
)

// views returns the children that show the process's state.
func (r *instanceRun) views(work *workers.Workers, ready func() []job.ProcessCondition) ([]supervise.Child, error) {
	if r.table != nil {
		return r.statusPage(work, ready)
	}
	if r.options.HTTP == "" {
		return nil, nil
	}
	health, err := web.NewHealthServer(web.HealthServerConfig{Listen: r.options.HTTP, Ready: ready, Logger: r.log})
	return []supervise.Child{{Name: "health", Service: health}}, err
}

func (r *instanceRun) statusPage(work *workers.Workers, ready func() []job.ProcessCondition) ([]supervise.Child, error) {
	page, err := web.NewStatusPage(web.StatusPageConfig{
		Listen: r.options.HTTP, Monitors: r.table, Pings: r.heartbeats, Ready: ready, Logger: r.log,
		Queues: func(ctx context.Context) []web.Queue { return work.Queues(ctx, time.Now()) },
		DeadLetters: func(ctx context.Context) uint64 {
			count, _ := inspect.Count(ctx, r.pipeline, topology.Dead) // fails if the server cannot be reached, which /readyz shows
			return count
		},
	})
	return []supervise.Child{
		{Name: "status-page", Service: page},
		{Name: "pings", Service: r.pingListener()},
		r.tolerantChild("status-feed", (&Feed{Pipeline: r.pipeline, Monitors: r.table, Heartbeats: r.heartbeats, Results: r.progress.Results}).Serve),
		r.tolerantChild("changes", r.printChanges),
	}, err
}

// pingListener marks that this process takes pings.
func (r *instanceRun) pingListener() *workers.PingListener {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, r.options.HTTP) // an address without a host is this machine
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}} // the listener has to accept each
	return workers.NewPingListener(workers.PingListenerConfig{Pipeline: r.pipeline, Logger: r.log, Request: func(ctx context.Context) error {
		if !r.heartbeats.Loaded() {
			return errors.New("the definitions are not read yet")
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vedette.invalid/healthz", http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}})
}

// conditions returns what the process needs to do its work.
func (r *instanceRun) conditions(ctx context.Context, tree *supervise.Supervisor) []job.ProcessCondition {
	return append([]job.ProcessCondition{
		Condition(job.ProcessRunning, ctx.Err() == nil, "it is stopping"),
		Condition(job.ProcessNATS, r.pipeline.Connected(), "not connected"),
		Condition(job.ProcessChildren, workers.AllRunning(tree.Children()), "not every child is running: see 'vedette ps --tree'"),
	}, r.health.List()...)
}

// Condition returns a condition, with a detail if it is not met.
func Condition(name job.ProcessConditionName, ok bool, otherwise string) job.ProcessCondition {
	c := job.ProcessCondition{Name: name, OK: ok}
	if !ok {
		c.Detail = otherwise
	}
	return c
}
