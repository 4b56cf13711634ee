package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Lease is a process's lease, with its entry in [topology.Processes].
type Lease struct {
	pipeline.Entry

	Process job.Process
}

// askWait is how long a process that seems to be gone has for an answer.
const askWait = 500 * time.Millisecond

// Gone divides the leases into the ones of processes that have certainly ended
// without a clean stop, and all others. It is for a process that starts and has no
// lease yet. ownsServer means that it runs the installation's server: then an
// earlier process with the server inside is gone, since the data directory has a
// lock. Other processes are gone if their pid does not exist on this machine, or is
// this process's own, as in a container, and if they do not answer.
func Gone(ctx context.Context, p *pipeline.Pipeline, ownsServer bool) (gone, others []Lease, err error) {
	leases, err := readLeases(ctx, p)
	if err != nil {
		return nil, nil, fmt.Errorf("find processes that are gone: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	var suspects []Lease
	for _, l := range leases {
		switch {
		case l.Process.EmbeddedServer && ownsServer:
			gone = append(gone, l)
		case host != "" && l.Process.Host == host && !exists(l.Process.PID):
			suspects = append(suspects, l)
		default:
			others = append(others, l)
		}
	}
	if len(suspects) == 0 {
		return gone, others, nil
	}
	answers, _, err := Ask(ctx, p, askWait)
	if err != nil {
		return nil, nil, fmt.Errorf("find processes that are gone: %w", err)
	}
	alive := map[string]bool{}
	for i := range answers {
		alive[answers[i].Process.ID] = true
	}
	for _, l := range suspects {
		if alive[l.Key] {
			others = append(others, l)
		} else {
			gone = append(gone, l)
		}
	}
	return gone, others, nil
}

func readLeases(ctx context.Context, p *pipeline.Pipeline) ([]Lease, error) {
	bucket, err := p.Bucket(ctx, topology.Processes)
	if err != nil {
		return nil, err
	}
	entries, err := bucket.Load(ctx)
	if err != nil {
		return nil, err
	}
	leases := make([]Lease, len(entries))
	for i, e := range entries {
		found, err := job.DecodeKnown[job.Process](e.Value)
		if err != nil { // only its existence is known
			found = job.Process{ID: e.Key}
		}
		leases[i] = Lease{Entry: e, Process: found}
	}
	return leases, nil
}

// exists reports whether a process other than this one has the pid. Without the
// right to ask, there is one.
func exists(pid int) bool {
	if pid == os.Getpid() {
		return false
	}
	if pid <= 0 {
		return true // unknown
	}
	found, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	return !errors.Is(found.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// Remove notifies the operators of a process that is gone, and removes its lease. A
// notice that is repeated after a failure has the same id.
func Remove(ctx context.Context, p *pipeline.Pipeline, lease pipeline.Entry) error {
	bucket, err := p.Bucket(ctx, topology.Processes)
	if err == nil {
		err = p.Notify(ctx, goneNotice(lease))
	}
	if err == nil {
		err = bucket.Remove(ctx, lease.Key, lease.Revision)
	}
	if err != nil && !errors.Is(err, job.ErrConflict) {
		return fmt.Errorf("remove lease %s: %w", lease.Key, err)
	}
	return nil
}

// goneNotice is the notice for a process that ended without a clean stop, or whose
// lease expired.
func goneNotice(lease pipeline.Entry) job.Notice {
	n := job.Notice{
		V: job.Version, ID: job.DeriveID("gone", lease.Key, lease.Written.UTC().Format(time.RFC3339Nano)), Kind: job.NoticeProcessGone,
		Summary: fmt.Sprintf("process %s has been silent since %s", lease.Key, lease.Written.UTC().Format(time.RFC3339)),
	}
	if member, err := job.DecodeKnown[job.Process](lease.Value); err == nil {
		n.Summary = fmt.Sprintf("process %s has been silent since %s", member.Name, lease.Written.UTC().Format(time.RFC3339))
		n.Detail = fmt.Sprintf("pid %d on %s, version %s, started %s", member.PID, member.Host, member.Version, member.Started.UTC().Format(time.RFC3339))
	}
	return n
}
