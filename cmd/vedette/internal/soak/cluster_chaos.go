package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"vedette/cmd/vedette/internal/cli"
	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// outage is how long a node is away; calm is the time before the next failure.
const (
	outage = 8 * time.Second
	calm   = 2 * time.Second
)

// chaos causes one failure after the other, until the time is over and each has
// happened. All nodes are ready before the next: a cluster of three can lose one
// node, not two.
func (c *cluster) chaos(ctx context.Context) error {
	failures := []func(context.Context) (string, error){c.killLeader, c.freezeNode, c.wipeNode, c.restartNodes, c.killWorkers}
	if c.hosts.prefix != "" {
		failures = []func(context.Context) (string, error){c.isolateLeader, c.isolateNode}
	}
	if err := c.witness.awaitFirst(ctx); err != nil {
		return err
	}
	for n := 0; n < len(failures) || time.Since(c.began) < c.length; n++ {
		if err := harness.Wait(ctx, calm); err != nil {
			return err
		}
		c.pause = max(c.pause, c.witness.lap())
		began := time.Now()
		what, err := failures[n%len(failures)](ctx)
		over := time.Now()
		if err == nil {
			err = c.processes.awaitReady(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		c.events = append(c.events, fmt.Sprintf("%s, from %s to %s; all were ready at %s", what, wall(began), wall(over), wall(time.Now())))
		pause := c.witness.lap()
		c.pause = max(c.pause, pause)
		cli.Writef(c.stderr, "%4.0fs: %s; longest pause %s\n", time.Since(c.began).Seconds(), what, pause.Round(time.Millisecond))
	}
	return harness.Wait(ctx, calm)
}

func (c *cluster) anyNode() *node { return c.processes.nodes[rand.IntN(len(c.processes.nodes))] }

// leader waits until the check queue has a leader.
func (c *cluster) leader(ctx context.Context) (leader *node, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	polled := harness.Poll(ctx, func() bool {
		var name string
		name, err = inspect.Leader(ctx, c.pipeline, topology.Adhoc)
		for _, n := range c.processes.nodes {
			if err == nil && n.name == name {
				leader = n
			}
		}
		return leader != nil
	})
	if polled != nil {
		return nil, fmt.Errorf("find leader: %w", errors.Join(err, polled))
	}
	return leader, nil
}

func (c *cluster) killLeader(ctx context.Context) (string, error) {
	const what = "the leader was killed"
	n, err := c.leader(ctx)
	if err != nil {
		return what, err
	}
	if err := n.process.End(syscall.SIGKILL); err != nil {
		return what, err
	}
	if err := harness.Wait(ctx, outage); err != nil { // the others work without it
		return what, err
	}
	return what, c.processes.startNode(n)
}

// freezeNode suspends a node. Its connections stay open without traffic.
func (c *cluster) freezeNode(ctx context.Context) (string, error) {
	n := c.anyNode()
	what := n.name + " stood still for " + outage.String()
	if err := n.process.Signal(syscall.SIGSTOP); err != nil {
		return what, err
	}
	err := harness.Wait(ctx, outage)
	return what, errors.Join(err, n.process.Signal(syscall.SIGCONT))
}

func (c *cluster) isolateLeader(ctx context.Context) (string, error) {
	n, err := c.leader(ctx)
	if err != nil {
		return "the leader was cut off", err
	}
	return c.isolate(ctx, n, "the leader, "+n.name+", was cut off for "+outage.String())
}

func (c *cluster) isolateNode(ctx context.Context) (string, error) {
	n := c.anyNode()
	return c.isolate(ctx, n, n.name+" was cut off for "+outage.String())
}

// isolate takes a running node's network away.
func (c *cluster) isolate(ctx context.Context, n *node, what string) (string, error) {
	if err := c.hosts.link(ctx, n.name, "down"); err != nil {
		return what, err
	}
	if n.isReady(ctx) {
		return what, fmt.Errorf("reach %s: got an answer, expected none", n.name)
	}
	if err := harness.Wait(ctx, outage); err != nil {
		return what, err
	}
	return what, c.hosts.link(ctx, n.name, "up")
}

func (c *cluster) wipeNode(context.Context) (string, error) {
	n := c.anyNode()
	what := n.name + " lost its disk"
	if err := n.process.End(syscall.SIGKILL); err != nil {
		return what, err
	}
	if err := os.RemoveAll(c.processes.data(n)); err != nil {
		return what, err
	}
	return what, c.processes.startNode(n)
}

func (c *cluster) restartNodes(ctx context.Context) (string, error) {
	const what = "all nodes were restarted"
	for _, n := range c.processes.nodes {
		if err := n.process.End(syscall.SIGTERM); err != nil {
			return what, err
		}
		if err := c.processes.startNode(n); err != nil {
			return what, err
		}
		if err := c.processes.awaitReady(ctx); err != nil {
			return what, err
		}
	}
	return what, nil
}

func (c *cluster) killWorkers(context.Context) (string, error) {
	const what = "a worker of each kind was killed"
	for kind, workers := range map[string]*[]*harness.Process{"check": &c.processes.checks, "mail": &c.processes.mails} {
		if err := (*workers)[0].End(syscall.SIGKILL); err != nil {
			return what, err
		}
		*workers = (*workers)[1:]
		if err := c.processes.startWorker(kind, workers); err != nil {
			return what, err
		}
	}
	return what, nil
}
