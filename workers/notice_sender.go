package workers

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/supervise"
)

// NoticeSender notifies the operators when a child in a process's supervision
// tree panics, is parked or is stuck. Hook takes events, and Serve sends the
// notices.
type NoticeSender struct {
	p       *pipeline.Pipeline
	log     *slog.Logger
	waiting chan job.Notice
	dropped atomic.Int64
}

const (
	// maxWaitingNotices bounds the notices that wait for the server.
	maxWaitingNotices = 256
	// sendPause is the time between two attempts to send a notice.
	sendPause = time.Second
	// flushTimeout is for the last notices before the process ends.
	flushTimeout = 2 * time.Second
)

// NewNoticeSender makes a sender.
func NewNoticeSender(p *pipeline.Pipeline, log *slog.Logger) *NoticeSender {
	return &NoticeSender{p: p, log: log, waiting: make(chan job.Notice, maxWaitingNotices)}
}

// Hook is for [supervise.Spec].Events. It never blocks: when too many notices
// wait for the server, it only logs further ones.
func (n *NoticeSender) Hook(e supervise.Event) {
	notice, ok := noticeOf(e, n.p.Process())
	if !ok {
		return
	}
	select {
	case n.waiting <- notice:
	default:
		n.log.Error("notice was dropped: too many wait", "notice", notice.Summary, "dropped", n.dropped.Add(1))
	}
}

// Serve sends notices until ctx ends, and tries each until it is stored. Those
// that wait at the end have [flushTimeout].
func (n *NoticeSender) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	for {
		select {
		case <-ctx.Done():
			n.flush(ctx)
			return nil
		case notice := <-n.waiting:
			if !n.send(ctx, notice) {
				n.flush(ctx, notice)
				return nil
			}
		}
	}
}

// flush sends the given notices, and then those that wait.
func (n *NoticeSender) flush(ctx context.Context, first ...job.Notice) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for {
		for _, notice := range first {
			if !n.send(limited, notice) {
				return
			}
		}
		select {
		case notice := <-n.waiting:
			first = []job.Notice{notice}
		default:
			return
		}
	}
}

// send tries until the notice is stored. It returns false when ctx ended first.
func (n *NoticeSender) send(ctx context.Context, notice job.Notice) bool {
	for {
		err := n.p.Notify(ctx, notice)
		if err == nil {
			return true
		}
		n.log.WarnContext(ctx, "notice was not stored; retrying", "notice", notice.Summary, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(sendPause):
		}
	}
}

// noticeOf returns the notice for an event, if the operators should know it.
func noticeOf(e supervise.Event, process string) (job.Notice, bool) {
	child := "child " + e.Child + " of supervisor " + e.Supervisor
	cause := ""
	if e.Err != nil {
		cause = ": " + e.Err.Error()
	}
	n := job.Notice{V: job.Version, At: e.At.UTC(), Detail: e.Stack}
	switch {
	case e.Kind == supervise.EventFailed && (e.Class == supervise.ClassPanic || e.Class == supervise.ClassGoexit):
		return job.Panic{Part: child, Input: process, Message: e.Err.Error(), Stack: e.Stack}.Notice(e.At), true
	case e.Kind == supervise.EventParked:
		n.Kind, n.Summary = job.NoticeParked, child+" failed repeatedly and is paused for "+e.Wait.String()+cause
	case e.Kind == supervise.EventGivenUp:
		n.Kind, n.Summary = job.NoticeParked, child+" failed repeatedly and is not restarted"+cause
	case e.Kind == supervise.EventStuck:
		n.Kind, n.Summary = job.NoticeStuckChild, child+" did not stop in time"+cause
	default:
		return job.Notice{}, false
	}
	n.ID = job.DeriveID(string(e.Kind), process, e.Supervisor, e.Child, e.At.UTC().Format(time.RFC3339Nano))
	return n, true
}
