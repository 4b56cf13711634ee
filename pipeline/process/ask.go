package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Ask asks every process of the installation for its status. silent processes
// hold a lease and did not answer within the given time: they hang, or died a
// moment ago. It returns as soon as all processes with a lease have answered, but
// waits a quarter of a second for others. If the leases cannot be read, silent is
// empty, and the error is nil if a process answers: it may say why.
func Ask(ctx context.Context, p *pipeline.Pipeline, wait time.Duration) (answers []job.ProcessStatus, silent []job.Process, err error) {
	expected, unread := leasedSoon(ctx, p)
	if unread != nil && ctx.Err() != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", unread)
	}
	inbox := nuid.Next()
	if p.Inbox() != "" {
		inbox = p.Inbox() + "." + inbox
	}
	sub, err := p.Conn().SubscribeSync(p.Names().Subject(topology.StatusSubject(inbox)))
	if err != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails only if the connection is closed, and the subscription with it
	if err := p.Conn().PublishRequest(p.Names().Subject(topology.ProcessRequest), p.Names().Subject(topology.StatusSubject(inbox)), nil); err != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", err)
	}
	answers, err = gather(ctx, sub, wait, expected)
	if err == nil && len(answers) == 0 {
		err = unread
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", err)
	}
	for _, process := range expected {
		silent = append(silent, process)
	}
	slices.SortFunc(silent, func(a, b job.Process) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	slices.SortFunc(answers, func(a, b job.ProcessStatus) int {
		return strings.Compare(a.Process.Name+a.Process.ID, b.Process.Name+b.Process.ID)
	})
	return answers, silent, nil
}

// leasesTimeout bounds the time for reading the leases, which may be impossible
// while processes still answer.
const leasesTimeout = 3 * time.Second

func leasedSoon(ctx context.Context, p *pipeline.Pipeline) (map[string]job.Process, error) {
	limited, cancel := context.WithTimeout(ctx, leasesTimeout)
	defer cancel()
	return leased(limited, p)
}

// leased returns the processes with a lease, by id.
func leased(ctx context.Context, p *pipeline.Pipeline) (map[string]job.Process, error) {
	leases, err := p.Bucket(ctx, topology.Processes)
	if err != nil {
		return nil, err
	}
	entries, err := leases.Load(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]job.Process{}
	for _, e := range entries {
		process, err := job.DecodeKnown[job.Process](e.Value)
		if err != nil || process.Name == "" { // only its existence is known
			process = job.Process{ID: e.Key, Name: e.Key, Host: "?"}
		}
		found[e.Key] = process
	}
	return found, nil
}

// Serves reports whether a process with a valid lease runs a stage, at a location
// if one is given. The newest lease is the clock, since clocks differ.
func Serves(ctx context.Context, p *pipeline.Pipeline, stage, location string) (bool, error) {
	leases, err := p.Bucket(ctx, topology.Processes)
	if err != nil {
		return false, err
	}
	entries, err := leases.Load(ctx)
	if err != nil {
		return false, err
	}
	var newest time.Time
	for _, e := range entries {
		if e.Written.After(newest) {
			newest = e.Written
		}
	}
	for _, e := range entries {
		found, err := job.DecodeKnown[job.Process](e.Value)
		does := err != nil || slices.Contains(found.Stages, stage) && (location == "" || found.Location == location)
		if does && newest.Sub(e.Written) < LeaseTime {
			return true, nil
		}
	}
	return false, nil
}

// strangersWait is how long Ask waits for processes without a lease.
const strangersWait = 250 * time.Millisecond

// gather collects answers, and removes their processes from expected.
func gather(ctx context.Context, sub *nats.Subscription, wait time.Duration, expected map[string]job.Process) ([]job.ProcessStatus, error) {
	var answers []job.ProcessStatus
	began := time.Now()
	for {
		if len(expected) == 0 {
			wait = min(wait, strangersWait)
		}
		limited, cancel := context.WithDeadline(ctx, began.Add(wait))
		message, err := sub.NextMsgWithContext(limited)
		cancel()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return answers, nil
		}
		if errors.Is(err, nats.ErrNoResponders) {
			return answers, nil
		}
		if err != nil {
			return nil, err
		}
		status, err := job.DecodeKnown[job.ProcessStatus](message.Data)
		if err != nil {
			return answers, fmt.Errorf("read answer: %w", err)
		}
		delete(expected, status.Process.ID)
		answers = append(answers, status)
	}
}

// CheckLocations lists the locations of processes that run checks, by their leases.
func CheckLocations(ctx context.Context, p *pipeline.Pipeline) ([]string, error) {
	leases, err := leased(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("list locations: %w", err)
	}
	var found []string
	for _, process := range leases {
		if slices.Contains(process.Stages, stageCheck) && job.ValidName(process.Location) {
			found = append(found, process.Location)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// stageCheck is the stage that runs checks.
const stageCheck = "check"
