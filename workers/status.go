package workers

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/workers/web"
)

// Queues returns the status of each pool in this process and of its queue. When
// a queue cannot be read, only the pool's status is set.
func (w *Workers) Queues(ctx context.Context, now time.Time) []web.Queue {
	pools := w.pools.all()
	queues := make([]web.Queue, len(pools))
	var group sync.WaitGroup
	for i, workers := range pools {
		group.Go(func() {
			running := workers.Status()
			waiting, _ := workers.Queue(ctx, now) // fails while the server is away, which /readyz shows
			queues[i] = web.Queue{
				Name: running.Name, Running: running.Running, Limit: running.Limit, Done: running.Done, Failed: running.Failed,
				Depth: waiting.Depth, Waiting: waiting.Waiting, OldestAge: job.Duration(waiting.OldestAge.Truncate(time.Second)),
			}
		})
	}
	group.Wait()
	slices.SortFunc(queues, func(a, b web.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return queues
}

// Ready reports whether all children in all stages are running.
func (w *Workers) Ready() bool { return AllRunning(w.Children()) }

// AllRunning reports whether all children in a tree are running.
func AllRunning(tree []supervise.ChildStatus) bool {
	return !slices.ContainsFunc(tree, func(c supervise.ChildStatus) bool {
		return c.State != supervise.Running || !AllRunning(c.Children)
	})
}

// Status returns the status of a tree that has these workers, together with the
// jobs in their pools and in other pools in the tree.
func (w *Workers) Status(tree []supervise.ChildStatus, others ...pool.Status) []job.ChildStatus {
	for _, workers := range w.pools.all() {
		others = append(others, workers.Status())
	}
	jobs := map[string]*job.ChildJobs{}
	for _, s := range others {
		jobs[s.Name] = &job.ChildJobs{Running: s.Running, Limit: s.Limit, Done: s.Done, Failed: s.Failed, Stuck: s.Stuck}
	}
	return childStatus(tree, jobs)
}

func childStatus(tree []supervise.ChildStatus, jobs map[string]*job.ChildJobs) []job.ChildStatus {
	children := make([]job.ChildStatus, len(tree))
	for i, c := range tree {
		children[i] = job.ChildStatus{
			Name: c.Name, State: string(c.State), Since: c.Since.UTC(), Incarnation: c.Incarnation, Restarts: c.Restarts, Strategy: c.Strategy,
		}
		if c.LastClass != "" {
			children[i].LastFailure = &job.ChildFailure{At: c.LastFailed.UTC(), Class: string(c.LastClass), Error: c.LastError, Stack: c.LastStack}
		}
		if len(c.Children) > 0 {
			children[i].Children = childStatus(c.Children, jobs)
		} else {
			children[i].Jobs = jobs[c.Name]
		}
	}
	return children
}
