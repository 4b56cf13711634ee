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
	"vedette/pipeline/inspect"
	"vedette/pipeline/topology"
)

// cutOff is how long a node stands still; calm is how long nothing happens
// before the next event.
const (
	cutOff = 8 * time.Second
	calm   = 2 * time.Second
)

// chaos has one thing after the other happen, until the time is over and each
// has happened once. Everybody is well before the next: a cluster of three
// bears the loss of one node, not of two.
func (s *clusterSoak) chaos(ctx context.Context) error {
	events := []func(context.Context) (string, error){s.killLeader, s.cutNodeOff, s.wipeNode, s.rollNodes, s.killWorkers}
	if s.namespaces != "" {
		events = []func(context.Context) (string, error){s.cutLeaderOff, s.cutLinkOff}
	}
	if err := s.witness.begin(ctx); err != nil {
		return err
	}
	for n := 0; n < len(events) || time.Since(s.began) < s.length; n++ {
		if err := pass(ctx, calm); err != nil {
			return err
		}
		s.longest(s.witness.lap())
		began := time.Now()
		what, err := events[n%len(events)](ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		over := time.Now()
		if err := s.stage.allReady(ctx); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		s.note("%s, from %s to %s; all were ready at %s", what, wall(began), wall(over), wall(time.Now()))
		paused := s.witness.lap()
		s.longest(paused)
		cli.Writef(s.stderr, "%4.0fs: %s; longest pause %s\n", time.Since(s.began).Seconds(), what, paused.Round(time.Millisecond))
	}
	return pass(ctx, calm)
}

func (s *clusterSoak) longest(pause time.Duration) { s.pause = max(s.pause, pause) }

func pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *clusterSoak) anyNode() *soakNode { return s.stage.nodes[rand.IntN(len(s.stage.nodes))] }

// leader is the node whose loss costs most, once there is one.
func (s *clusterSoak) leader(ctx context.Context) (*soakNode, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	for {
		name, err := inspect.Leader(ctx, s.pipeline, topology.Adhoc)
		for _, n := range s.stage.nodes {
			if err == nil && n.name == name {
				return n, nil
			}
		}
		if passed := pass(ctx, readyLook); passed != nil {
			return nil, fmt.Errorf("find leader: %w", errors.Join(err, passed))
		}
	}
}

func (s *clusterSoak) killLeader(ctx context.Context) (string, error) {
	const what = "the leader was killed"
	n, err := s.leader(ctx)
	if err != nil {
		return what, err
	}
	if err := n.process.end(syscall.SIGKILL); err != nil {
		return what, err
	}
	if err := pass(ctx, cutOff); err != nil { // the others have to do without it
		return what, err
	}
	return what, s.stage.startNode(n)
}

// cutNodeOff lets a node stand still. Its connections stay open, and nothing
// comes from it.
func (s *clusterSoak) cutNodeOff(ctx context.Context) (string, error) {
	n := s.anyNode()
	what := n.name + " stood still for " + cutOff.String()
	if err := n.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return what, err
	}
	err := pass(ctx, cutOff)
	if again := n.process.cmd.Process.Signal(syscall.SIGCONT); again != nil {
		return what, again
	}
	return what, err
}

// cutLeaderOff is [clusterSoak.cutLinkOff] of the leader.
func (s *clusterSoak) cutLeaderOff(ctx context.Context) (string, error) {
	n, err := s.leader(ctx)
	if err != nil {
		return "the leader was cut off", err
	}
	return s.cut(ctx, n, "the leader, "+n.name+", was cut off for "+cutOff.String())
}

// cutLinkOff takes a node's network away: it runs on, and hears nobody.
func (s *clusterSoak) cutLinkOff(ctx context.Context) (string, error) {
	n := s.anyNode()
	return s.cut(ctx, n, n.name+" was cut off for "+cutOff.String())
}

func (s *clusterSoak) cut(ctx context.Context, n *soakNode, what string) (string, error) {
	if err := s.stage.hosts.link(ctx, n.name, "down"); err != nil {
		return what, err
	}
	if isReady(ctx, n.http) {
		return what, fmt.Errorf("reach %s: got an answer, expected that it is cut off", n.name)
	}
	if err := pass(ctx, cutOff); err != nil {
		return what, err
	}
	return what, s.stage.hosts.link(ctx, n.name, "up")
}

func (s *clusterSoak) wipeNode(context.Context) (string, error) {
	n := s.anyNode()
	what := n.name + " lost its disk"
	if err := n.process.end(syscall.SIGKILL); err != nil {
		return what, err
	}
	if err := os.RemoveAll(s.stage.data(n)); err != nil {
		return what, err
	}
	return what, s.stage.startNode(n)
}

func (s *clusterSoak) rollNodes(ctx context.Context) (string, error) {
	const what = "all nodes were restarted"
	for _, n := range s.stage.nodes {
		if err := n.process.end(syscall.SIGTERM); err != nil {
			return what, err
		}
		if err := s.stage.startNode(n); err != nil {
			return what, err
		}
		if err := s.stage.allReady(ctx); err != nil {
			return what, err
		}
	}
	return what, nil
}

func (s *clusterSoak) killWorkers(context.Context) (string, error) {
	const what = "a worker of each kind was killed"
	for kind, workers := range map[string]*[]*process{"check": &s.stage.checks, "mail": &s.stage.mails} {
		if err := (*workers)[0].end(syscall.SIGKILL); err != nil {
			return what, err
		}
		*workers = (*workers)[1:]
		if err := s.stage.startWorker(kind, workers); err != nil {
			return what, err
		}
	}
	return what, nil
}
