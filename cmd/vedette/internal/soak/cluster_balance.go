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

// clusterBalance is what became of what the cluster acknowledged.
type clusterBalance struct {
	checks, mails          int
	done                   int
	pending, lost          []missing
	checksAgain, mailAgain int      // beyond the first time
	differing              []string // queues of which nodes hold different things
	alarms                 []string // subjects of mails that nobody ordered
}

// resumeTime is the longest time in which nothing may be done, whatever
// happens to one node.
const resumeTime = 10 * time.Second

// count looks at every job. What the witness has not seen, and no queue holds,
// is lost.
func (s *clusterSoak) count(ctx context.Context) (clusterBalance, error) {
	s.load.mu.Lock()
	checks, mails := slices.Clone(s.load.checks), slices.Clone(s.load.mails)
	s.load.mu.Unlock()
	b := clusterBalance{checks: len(checks), mails: len(mails)}
	for _, check := range checks {
		found := missing{check, topology.AdhocConsumer(job.DefaultLocation), topology.AdhocSubject(job.DefaultLocation, check.id)}
		if err := s.countJob(ctx, &b, &b.checksAgain, found); err != nil {
			return b, err
		}
	}
	for _, mail := range mails {
		found := missing{mail, topology.MailConsumer(job.MailAdhoc), topology.MailSubject(job.MailAdhoc, mail.id)}
		if err := s.countJob(ctx, &b, &b.mailAgain, found); err != nil {
			return b, err
		}
	}
	var err error
	if len(b.pending) == 0 { // what is pending moves on
		b.differing, err = s.differing(ctx)
	}
	s.witness.mu.Lock()
	defer s.witness.mu.Unlock()
	b.alarms = slices.Clone(s.witness.alarms)
	return b, err
}

func (s *clusterSoak) countJob(ctx context.Context, b *clusterBalance, again *int, m missing) error {
	s.witness.mu.Lock()
	times := s.witness.done[m.id]
	s.witness.mu.Unlock()
	if times > 0 {
		b.done++
		*again += times - 1
		return nil
	}
	alive, err := inspect.ExistsOnLeader(ctx, s.pipeline, m.consumer.Stream, m.subject)
	if alive {
		b.pending = append(b.pending, m)
	} else if err == nil {
		b.lost = append(b.lost, m)
	}
	return err
}

func (s *clusterSoak) report(b clusterBalance) string {
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
mails of Vedette's own      %d%s
`, b.checks, b.mails, time.Since(s.began).Round(time.Second), s.workers, b.checks+b.mails, b.done,
		len(b.pending), few(names(b.pending)), len(b.lost), few(names(b.lost)),
		b.checksAgain, b.mailAgain, s.pause.Round(time.Millisecond), len(s.load.refused), len(b.differing), few(b.differing), len(b.alarms), few(b.alarms))
}

func (s *clusterSoak) verdict(b clusterBalance) error {
	var problems []error
	if pending, lost := len(b.pending), len(b.lost); pending+lost > 0 {
		problems = append(problems, fmt.Errorf("balance jobs: found %d pending and %d lost, expected all done", pending, lost))
	}
	if len(b.differing) > 0 {
		problems = append(problems, fmt.Errorf("balance replicas: found %q, expected the same on all nodes", b.differing))
	}
	if s.pause > resumeTime {
		problems = append(problems, fmt.Errorf("balance time: found a pause of %s, expected %s at most", s.pause, resumeTime))
	}
	if n := len(s.load.refused); n > 0 {
		problems = append(problems, fmt.Errorf("balance publishes: found %d refused, expected none; the first: %s", n, s.load.refused[0]))
	}
	if slices.ContainsFunc(b.alarms, func(subject string) bool { return strings.HasPrefix(subject, "[DOWN]") }) {
		problems = append(problems, fmt.Errorf("balance alarms: found %q, expected nothing down", b.alarms))
	}
	if n := s.stage.unexpected.Load(); n > 0 {
		problems = append(problems, fmt.Errorf("balance processes: found %d that ended by themselves, expected none", n))
	}
	return errors.Join(problems...)
}
