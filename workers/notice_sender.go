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

// NoticeSender tells the operators what happens to the parts of a process that they
// should know of: one that panics, one that is parked, one that is stuck.
// Its Hook takes events, its Serve sends what comes of them.
type NoticeSender struct {
	p       *pipeline.Pipeline
	log     *slog.Logger
	waiting chan job.Notice
	lost    atomic.Int64
}

const (
	// maxWaitingNotices bounds the alerts that wait for the server.
	maxWaitingNotices = 256
	// sendPause is between attempts to send one.
	sendPause = time.Second
	// flushTimeout is for the last ones of a process.
	flushTimeout = 2 * time.Second
)

// NewNoticeSender makes alerts of a process.
func NewNoticeSender(p *pipeline.Pipeline, log *slog.Logger) *NoticeSender {
	return &NoticeSender{p: p, log: log, waiting: make(chan job.Notice, maxWaitingNotices)}
}

// Hook is for [supervise.Spec].Events. It never waits: when the server has been
// away for long, what is too much is in the log alone, which says so.
func (a *NoticeSender) Hook(e supervise.Event) {
	notice, ok := noticeOf(e, a.p.Process())
	if !ok {
		return
	}
	select {
	case a.waiting <- notice:
	default:
		a.log.Error("too many alerts wait; this one is here alone", "alert", notice.Summary, "lost", a.lost.Add(1))
	}
}

// Serve sends alerts until ctx ends. Each is tried until it is stored; those
// that still wait at the end have a moment.
func (a *NoticeSender) Serve(ctx context.Context) error {
	supervise.Ready(ctx)
	for {
		select {
		case <-ctx.Done():
			a.flush(ctx)
			return nil
		case notice := <-a.waiting:
			if !a.send(ctx, notice) {
				a.flush(ctx, notice)
				return nil
			}
		}
	}
}

// flush sends what waits at the end, after the one that was under way.
func (a *NoticeSender) flush(ctx context.Context, last ...job.Notice) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for {
		for _, notice := range last {
			if !a.send(limited, notice) {
				return
			}
		}
		select {
		case notice := <-a.waiting:
			last = []job.Notice{notice}
		default:
			return
		}
	}
}

// send tries until the notice is stored, and reports false when ctx ended
// before that.
func (a *NoticeSender) send(ctx context.Context, notice job.Notice) bool {
	for {
		err := a.p.Notify(ctx, notice)
		if err == nil {
			return true
		}
		a.log.WarnContext(ctx, "tell operators", "alert", notice.Summary, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(sendPause):
		}
	}
}

// noticeOf is the notice of an event, if it is worth one.
func noticeOf(e supervise.Event, process string) (job.Notice, bool) {
	part := "part " + e.Child + " of " + e.Supervisor
	text := ""
	if e.Err != nil {
		text = ": " + e.Err.Error()
	}
	n := job.Notice{V: job.Version, At: e.At.UTC(), Detail: e.Stack}
	switch {
	case e.Kind == supervise.EventFailed && (e.Class == supervise.ClassPanic || e.Class == supervise.ClassGoexit):
		n = job.PanicNotice(part, process, e.Err.Error(), []byte(e.Stack), e.At)
		return n, true
	case e.Kind == supervise.EventParked:
		n.Kind, n.Summary = job.NoticeParked, part+" failed so often that it is left alone for "+e.Wait.String()+text
	case e.Kind == supervise.EventGivenUp:
		n.Kind, n.Summary = job.NoticeParked, part+" failed so often that it is not started again"+text
	case e.Kind == supervise.EventStuck:
		n.Kind, n.Summary = job.NoticeStuckChild, part+" did not stop when it was told to"+text
	default:
		return job.Notice{}, false
	}
	n.ID = job.DeriveID(string(e.Kind), process, e.Supervisor, e.Child, e.At.UTC().Format(time.RFC3339Nano))
	return n, true
}
