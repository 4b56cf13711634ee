package stranded

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// RepairCertain repairs the jobs that are certainly stranded now, and returns how
// many there were. It is for the moment after the server was restarted.
func RepairCertain(ctx context.Context, p *pipeline.Pipeline) (int, error) {
	found, err := FindCertain(ctx, p)
	if err != nil {
		return 0, err
	}
	now := time.Now()
	for _, j := range found {
		logRepair(ctx, p, j, now)
		if err := Repair(ctx, p, j, now); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

// oldestMail is the age from which a stranded mail is not sent again: its delivery
// status, which says whether it was sent, is kept for two days.
const oldestMail = 47 * time.Hour

// Repair frees a stranded job's subject, and has the job done if that still makes
// sense. Several processes may repair the same job. After an error the job can be
// repaired again.
//
//   - A check whose slot is over is removed, and recorded as missed.
//   - Another check is stored again.
//   - A timer is stored again. If the process dies before, sweeps find what is due.
//   - Any other job becomes a dead letter, so that it is stored at each moment; the
//     stage maintain replays it. A mail that may have been sent long ago stays one.
func Repair(ctx context.Context, p *pipeline.Pipeline, found Job, now time.Time) error {
	there, err := inspect.NextOnLeader(ctx, p, found.Consumer.Stream, found.Sequence, found.Subject)
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && there.Sequence != found.Sequence {
		return nil // another process was faster
	}
	if err == nil {
		err = repair(ctx, p, found, now)
	}
	if err != nil {
		return fmt.Errorf("repair stranded job %s: %w", found.Subject, err)
	}
	return nil
}

func repair(ctx context.Context, p *pipeline.Pipeline, found Job, now time.Time) error {
	switch found.Consumer.Stream {
	case topology.Checks:
		return repairCheck(ctx, p, found, now)
	case topology.Timer:
		// Without the removal the server would only replace the message, which it does
		// not record on disk: the message would be back after the next kill.
		if err := deadletter.Remove(ctx, p, topology.Timer, found.Sequence); err != nil {
			return err
		}
		return storeAgain(ctx, p, found)
	default:
		dead := deadletter.Letter{
			Stage: found.Consumer.Name, Subject: found.Subject, Body: found.Body, Reason: job.ReasonUndelivered,
			Error: "the server held the job and delivered it to no process", FirstStoredAt: found.FirstStored,
			Worker: p.Process(), Sequence: found.Sequence,
		}
		if found.Consumer.Stream == topology.Mail && now.Sub(found.Stored) > oldestMail {
			dead.Reason, dead.Error = job.ReasonStranded, dead.Error+"; it may have been sent before"
		}
		return deadletter.SetAside(ctx, p, dead, found.Consumer)
	}
}

// missDetail is for people.
const missDetail = "the NATS server held it and gave it to no worker"

func repairCheck(ctx context.Context, p *pipeline.Pipeline, found Job, now time.Time) error {
	check, err := job.DecodeKnown[job.Check](found.Body)
	over := err != nil || check.Slot.IsZero() || !check.NotAfter.IsZero() && now.After(check.NotAfter)
	if err == nil && over && !check.Slot.IsZero() {
		result := job.Result{Monitor: check.Monitor, Slot: check.Slot, Location: check.Location, Miss: &job.Miss{Reason: job.MissLost, Count: 1, Last: check.Slot, Detail: missDetail}}
		if err := pipeline.PublishJob(ctx, p, job.Results{V: job.Version, Results: []job.Result{result}}, pipeline.Message{
			Subject: topology.ResultSubject(0), ID: found.id(),
		}); err != nil {
			return err
		}
	}
	if err := deadletter.Remove(ctx, p, topology.Checks, found.Sequence); err != nil {
		return err
	}
	if over {
		return nil
	}
	return storeAgain(ctx, p, found)
}

// storeAgain stores a job again, so that it gets a sequence that its consumer
// delivers.
func storeAgain(ctx context.Context, p *pipeline.Pipeline, found Job) error {
	err := p.Publish(ctx, pipeline.Message{Subject: found.Subject, Body: found.Body, ID: found.id(), FirstStored: found.FirstStored})
	if errors.Is(err, pipeline.ErrOccupied) {
		return nil // by another process, or for a later slot
	}
	return err
}

// id lets the server drop a repetition.
func (j Job) id() string {
	return "stranded-" + j.Consumer.Name + "-" + strconv.FormatUint(j.Sequence, 10)
}
