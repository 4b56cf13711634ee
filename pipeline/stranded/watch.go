package stranded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Watch repairs jobs that stay stranded. It belongs to one goroutine.
type Watch struct {
	p *pipeline.Pipeline

	seen     map[key]time.Time // when each job was first found
	repaired time.Time         // when a job was last repaired
}

// key identifies a job.
type key struct {
	stream   topology.Stream
	sequence uint64
}

func (j Job) key() key { return key{stream: j.Consumer.Stream, sequence: j.Sequence} }

const (
	// Period is how often to call [Watch.Check].
	Period = 10 * time.Second
	// certainAfter is how long a job must look stranded: the removal of a settled
	// job takes milliseconds on a single server, seconds while a cluster elects.
	certainAfter = 9 * time.Second
	// repeatedWithin is the time in which further stranded jobs are a notice.
	repeatedWithin = time.Hour
)

// NewWatch makes a watch.
func NewWatch(p *pipeline.Pipeline) *Watch { return &Watch{p: p, seen: map[key]time.Time{}} }

// Check finds stranded jobs, and repairs the ones that were found before. When jobs
// were stranded within the last hour too, it notifies the operators. The error joins
// what could not be found, repaired or notified.
func (w *Watch) Check(ctx context.Context, now time.Time) error {
	found, err := Find(ctx, w.p, now)
	if err != nil {
		return err
	}
	certain := w.certain(found, now)
	if len(certain) == 0 {
		return nil
	}
	var problems []error
	for _, j := range certain {
		logRepair(ctx, w.p, j, now)
		problems = append(problems, Repair(ctx, w.p, j, now))
	}
	if repeated := !w.repaired.IsZero() && now.Sub(w.repaired) < repeatedWithin; repeated {
		problems = append(problems, w.p.Notify(ctx, notice(certain, now)))
	}
	w.repaired = now
	return errors.Join(problems...)
}

func logRepair(ctx context.Context, p *pipeline.Pipeline, j Job, now time.Time) {
	p.Logger().WarnContext(ctx, "stranded job is repaired: the server holds it, and no consumer will deliver it",
		"subject", j.Subject, "consumer", j.Consumer.Name, "sequence", j.Sequence, "age", now.Sub(j.Stored).Round(time.Millisecond))
}

// certain returns the jobs that were found for long enough, and remembers the
// others.
func (w *Watch) certain(found []Job, now time.Time) []Job {
	seen := map[key]time.Time{}
	var certain []Job
	for _, j := range found {
		k := j.key()
		first, before := w.seen[k]
		if !before {
			first = now
		}
		seen[k] = first
		if before && now.Sub(first) >= certainAfter {
			certain = append(certain, j)
		}
	}
	w.seen = seen
	return certain
}

// notice has the same id for an hour, in all processes.
func notice(jobs []Job, now time.Time) job.Notice {
	return job.Notice{
		V: job.Version, ID: job.DeriveID("stranded", now.UTC().Truncate(repeatedWithin).Format(time.RFC3339)),
		Kind: job.NoticeStranded, At: now.UTC(),
		Summary: fmt.Sprintf("%d jobs were held by the NATS server and delivered to no process, not for the first time; they were repaired. One of them: %s", len(jobs), jobs[0].Subject),
		Detail:  "The server's streams and consumers disagree. Check the disk with its data, and its log.",
	}
}
