package soak

import (
	"context"
	"errors"
	"fmt"

	"vedette/cmd/vedette/internal/cli"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// balance is what became of all jobs.
type balance struct {
	done, dead, pending int
	lost                []string // enqueued, and nowhere to be found
	both                []string // done and dead
	again               int      // answers beyond the first to a job
	reasons             map[job.Reason]int
}

// count looks at every job that was enqueued.
func (s *soak) count(ctx context.Context) (balance, error) {
	b := balance{reasons: map[job.Reason]int{}}
	done, answers, err := s.answers(ctx)
	if err != nil {
		return b, err
	}
	b.again = answers.given - answers.jobs
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
		id := soakID(n)
		subject := topology.AdhocSubject(job.DefaultLocation, id)
		switch {
		case done[id] && dead[subject]:
			b.both = append(b.both, id)
		case done[id]:
			b.done++
		case dead[subject]:
			b.dead++
		default:
			alive, err := inspect.Exists(ctx, s.pipeline, topology.Adhoc, subject)
			if err != nil {
				return b, err
			}
			if alive {
				b.pending++
			} else {
				b.lost = append(b.lost, id)
			}
		}
	}
	return b, nil
}

// answered is how many answers were given, and to how many jobs.
type answered struct{ given, jobs int }

// answers reads what was done. Each answer is a write of its job's key, and the
// last revision counts all of them.
func (s *soak) answers(ctx context.Context) (map[string]bool, answered, error) {
	outcomes, err := s.pipeline.Bucket(ctx, topology.Outcomes)
	if err != nil {
		return nil, answered{}, err
	}
	entries, err := outcomes.Load(ctx)
	if err != nil {
		return nil, answered{}, err
	}
	done := make(map[string]bool, len(entries))
	var last uint64
	for _, e := range entries {
		last = max(last, e.Revision)
		answer, err := job.Decode[job.Outcome](e.Value)
		if err != nil {
			return nil, answered{}, err
		}
		if answer.Check != nil {
			done[answer.ID] = true
		}
	}
	return done, answered{given: int(last), jobs: len(entries)}, nil
}

func (s *soak) report(b balance) string {
	return fmt.Sprintf(`%d jobs in %s, %d workers
enqueued  %7d
done      %7d
dead      %7d  %v
pending   %7d
lost      %7d%s
done and dead at once  %d%s
done more than once    %d
workers killed %d times, server killed %d times and stopped %d times
`, s.jobs, s.length, s.workers, s.enqueued.Load(), b.done, b.dead, b.reasons, b.pending, len(b.lost), few(b.lost),
		len(b.both), few(b.both), b.again, s.stage.killed.Load(), s.stage.serverKilled.Load(), s.stage.serverStopped.Load())
}

// few shows the first of many.
func few(ids []string) string {
	if len(ids) > 5 {
		return fmt.Sprintf("  %v …", ids[:5])
	}
	if len(ids) == 0 {
		return ""
	}
	return fmt.Sprintf("  %v", ids)
}

func (s *soak) verdict(b balance) error {
	var problems []error
	if sum := b.done + b.dead + b.pending; int64(sum) != s.enqueued.Load() {
		problems = append(problems, fmt.Errorf("balance jobs: found %d done, dead or pending, expected the %d that were enqueued", sum, s.enqueued.Load()))
	}
	if !s.chaos && b.again > 0 {
		problems = append(problems, fmt.Errorf("balance jobs: found %d done more than once, expected none while nothing crashed", b.again))
	}
	if n := s.stage.unexpected.Load(); n > 0 {
		problems = append(problems, fmt.Errorf("balance processes: found %d that ended by themselves, expected none", n))
	}
	return balanceError(problems)
}

// balanceError makes the command exit with [cli.ExitFound] if there are problems.
func balanceError(problems []error) error {
	if err := errors.Join(problems...); err != nil {
		return &cli.ExitError{Code: cli.ExitFound, Err: err}
	}
	return nil
}
