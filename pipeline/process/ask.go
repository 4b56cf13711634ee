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

// Ask asks every process of the installation what it does. silent are those
// that hold a lease and did not answer within the given time: they hang, or
// died a moment ago. It returns as soon as all that hold a lease have answered,
// but not before others have had a quarter of a second.
func Ask(ctx context.Context, p *pipeline.Pipeline, wait time.Duration) (answers []job.ProcessStatus, silent []job.Process, err error) {
	expected, err := leased(ctx, p)
	if err != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", err)
	}
	inbox := nuid.Next()
	if p.Inbox() != "" {
		inbox = p.Inbox() + "." + inbox
	}
	sub, err := p.Conn().SubscribeSync(p.Names().Subject(topology.StatusSubject(inbox)))
	if err != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it fails only with the connection, which forgets it by itself
	if err := p.Conn().PublishRequest(p.Names().Subject(topology.ProcessRequest), p.Names().Subject(topology.StatusSubject(inbox)), nil); err != nil {
		return nil, nil, fmt.Errorf("ask processes: %w", err)
	}
	answers, err = gather(ctx, sub, wait, expected)
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

// leased returns the processes that hold a lease, by id.
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
		if err != nil || process.Name == "" { // all that is known of it is that it lives
			process = job.Process{ID: e.Key, Name: e.Key, Host: "?"}
		}
		found[e.Key] = process
	}
	return found, nil
}

// Serves tells whether any process lives that does what a role is about, at a
// location if one is given. One whose lease was not renewed in time does not:
// the newest lease tells the time, since clocks differ.
func Serves(ctx context.Context, p *pipeline.Pipeline, role, location string) (bool, error) {
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
		process, err := job.DecodeKnown[job.Process](e.Value)
		does := err != nil || slices.Contains(process.Stages, role) && (location == "" || process.Location == location)
		if does && newest.Sub(e.Written) < LeaseTime {
			return true, nil
		}
	}
	return false, nil
}

// strangersWait is how long processes without a lease may take to answer.
const strangersWait = 250 * time.Millisecond

// gather takes in answers, and takes those who gave them out of expected.
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

// CheckLocations are those at which a process makes checks, by their leases.
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

// stageCheck is the stage of processes that run checks, as their leases have it.
const stageCheck = "check"
