package soak

import (
	"context"
	"errors"
	"fmt"

	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// balance counts all jobs.
type balance struct {
	done, dead, pending int
	lost                []string // enqueued, and not found
	both                []string // done and dead
	again               int      // outcomes after a job's first
	reasons             map[job.Reason]int
}

// count finds every enqueued job.
func (s *single) count(ctx context.Context) (balance, error) {
	b := balance{reasons: map[job.Reason]int{}}
	done, again, err := s.outcomes(ctx)
	if err != nil {
		return b, err
	}
	b.again = again
	dead := map[string]bool{}
	err = deadletter.Each(ctx, s.pipeline, deadletter.Filter{}, func(l deadletter.Letter) bool {
		if !dead[l.Subject] {
			b.reasons[l.Reason]++
		}
		dead[l.Subject] = true
		return true
	})
	if err != nil {
		return b, err
	}
	for n := range s.jobs {
		id := jobID(n)
		subject := topology.AdhocSubject(job.DefaultLocation, id)
		switch {
		case done[id] && dead[subject]:
			b.both = append(b.both, id)
		case done[id]:
			b.done++
		case dead[subject]:
			b.dead++
		default:
			exists, err := inspect.Exists(ctx, s.pipeline, topology.Adhoc, subject)
			if err != nil {
				return b, err
			}
			if exists {
				b.pending++
			} else {
				b.lost = append(b.lost, id)
			}
		}
	}
	return b, nil
}

// outcomes returns the jobs with an outcome, and how many more outcomes were
// written: the last revision in the bucket counts all writes.
func (s *single) outcomes(ctx context.Context) (done map[string]bool, again int, err error) {
	bucket, err := s.pipeline.Bucket(ctx, topology.Outcomes)
	if err != nil {
		return nil, 0, err
	}
	entries, err := bucket.Load(ctx)
	if err != nil {
		return nil, 0, err
	}
	done = make(map[string]bool, len(entries))
	var last uint64
	for _, e := range entries {
		last = max(last, e.Revision)
		outcome, err := job.Decode[job.Outcome](e.Value)
		if err != nil {
			return nil, 0, err
		}
		if outcome.Check != nil {
			done[outcome.ID] = true
		}
	}
	return done, int(last) - len(entries), nil
}

func (s *single) report(b balance) string {
	return fmt.Sprintf(`%d jobs in %s, %d workers
enqueued  %7d
done      %7d
dead      %7d  %v
pending   %7d
lost      %7d%s
done and dead at once  %d%s
done more than once    %d
workers killed %d times, server killed %d times and stopped %d times
`, s.jobs, s.length, s.workers, s.enqueued.Load(), b.done, b.dead, b.reasons, b.pending, len(b.lost), some(b.lost),
		len(b.both), some(b.both), b.again, s.processes.workersKilled, s.processes.serverKilled, s.processes.serverStopped)
}

func (s *single) verdict(b balance) error {
	sum, enqueued := b.done+b.dead+b.pending, s.enqueued.Load()
	return errors.Join(
		expect(int64(sum) == enqueued, "balance jobs: found %d done, dead or pending, expected the %d that were enqueued", sum, enqueued),
		expect(s.chaos || b.again == 0, "balance jobs: found %d done more than once, expected none without a crash", b.again),
		s.processes.crashed())
}
