package soak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// clusterBalance counts all acknowledged jobs.
type clusterBalance struct {
	checks, mails          int
	done                   int
	pending, lost          []missing
	checksAgain, mailAgain int      // after the first time
	differing              []string // streams whose replicas differ
	alerts                 []string // subjects, from mails that were not enqueued
}

// count finds every acknowledged job. A job is lost when the witness has not seen
// it and no queue has it.
func (c *cluster) count(ctx context.Context) (clusterBalance, error) {
	c.load.mu.Lock()
	checks, mails := slices.Clone(c.load.checks), slices.Clone(c.load.mails)
	c.load.mu.Unlock()
	b := clusterBalance{checks: len(checks), mails: len(mails)}
	for _, check := range checks {
		found := missing{check, topology.AdhocConsumer(job.DefaultLocation), topology.AdhocSubject(job.DefaultLocation, check.id)}
		if err := c.countJob(ctx, &b, &b.checksAgain, found); err != nil {
			return b, err
		}
	}
	for _, mail := range mails {
		found := missing{mail, topology.MailConsumer(job.MailAdhoc), topology.MailSubject(job.MailAdhoc, mail.id)}
		if err := c.countJob(ctx, &b, &b.mailAgain, found); err != nil {
			return b, err
		}
	}
	var err error
	if len(b.pending) == 0 { // pending jobs still change the replicas
		b.differing, err = c.differing(ctx)
	}
	c.witness.mu.Lock()
	defer c.witness.mu.Unlock()
	b.alerts = slices.Clone(c.witness.alerts)
	return b, err
}

func (c *cluster) countJob(ctx context.Context, b *clusterBalance, again *int, m missing) error {
	if times := c.witness.times(m.id); times > 0 {
		b.done++
		*again += times - 1
		return nil
	}
	exists, err := inspect.ExistsOnLeader(ctx, c.pipeline, m.consumer.Stream, m.subject)
	if exists {
		b.pending = append(b.pending, m)
	} else if err == nil {
		b.lost = append(b.lost, m)
	}
	return err
}

// differing returns the streams whose replicas differ, with each state. At
// the end there should be none: a node with less than the others would lose
// messages by becoming the leader.
func (c *cluster) differing(ctx context.Context) ([]string, error) {
	states := map[string][]string{}
	for _, n := range c.processes.nodes {
		streams, err := n.streams(ctx)
		if err != nil {
			return nil, fmt.Errorf("read streams of %s: %w", n.name, err)
		}
		for _, queue := range []topology.Stream{topology.Adhoc, topology.Mail, topology.Dead} {
			name := topology.Names{Prefix: "vedette"}.Stream(queue)
			s, found := streams[name]
			if !found {
				return nil, fmt.Errorf("read streams of %s: found no %s", n.name, name)
			}
			states[name] = append(states[name], fmt.Sprintf("%d messages, %d to %d", s.Messages, s.First, s.Last))
		}
	}
	var differing []string
	for name, each := range states {
		if len(slices.Compact(slices.Clone(each))) > 1 {
			differing = append(differing, name+": "+strings.Join(each, "; "))
		}
	}
	return differing, nil
}

func (c *cluster) report(b clusterBalance) string {
	return fmt.Sprintf(`%d checks and %d mails acknowledged in %s, 3 nodes, %d workers of each kind
acknowledged  %7d
done          %7d
pending       %7d%s
lost          %7d%s
checks done more than once  %d
mails sent more than once   %d
longest pause               %s
publishes refused           %d
replicas that differ        %d%s
alerts from Vedette         %d%s
`, b.checks, b.mails, time.Since(c.began).Round(time.Second), c.workers, b.checks+b.mails, b.done,
		len(b.pending), some(ids(b.pending)), len(b.lost), some(ids(b.lost)), b.checksAgain, b.mailAgain, c.pause.Round(time.Millisecond),
		len(c.load.refused), len(b.differing), some(b.differing), len(b.alerts), some(b.alerts))
}

func (c *cluster) verdict(b clusterBalance) error {
	pending, lost, refused := len(b.pending), len(b.lost), c.load.refused
	down := slices.ContainsFunc(b.alerts, func(subject string) bool { return strings.HasPrefix(subject, "[DOWN]") })
	return errors.Join(
		expect(pending+lost == 0, "balance jobs: found %d pending and %d lost, expected all done", pending, lost),
		expect(len(b.differing) == 0, "balance replicas: found %q, expected the same on all nodes", b.differing),
		expect(c.pause <= c.maxPause, "balance time: found a pause of %s, expected %s at most", c.pause, c.maxPause),
		expect(len(refused) == 0, "balance publishes: found %d refused, expected none:%s", len(refused), some(refused)),
		expect(!down, "balance alerts: found %q, expected nothing down", b.alerts),
		c.processes.crashed())
}
