package workers

import (
	"context"
	"sync"
	"time"

	"vedette/pipeline/inspect"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
	"vedette/workers/mail"
)

const (
	// mailWatchPeriod is how often the states of the relays are assessed, and
	// mailQueuePeriod how often the queues are counted.
	mailWatchPeriod = time.Second
	mailQueuePeriod = 5 * time.Second
)

// watchMail reports whether mails can leave, until ctx ends.
func (s *mailStage) watchMail(ctx context.Context, jobs *mailJobs) {
	ticker := time.NewTicker(mailWatchPeriod)
	defer ticker.Stop()
	histories := map[string]*queueHistory{}
	var queue mail.Queue
	var counted time.Time
	for now := time.Now(); ; {
		if now.Sub(counted) >= mailQueuePeriod && !s.p.Away(mailQueuePeriod) {
			counted = now
			queue = s.countMails(ctx, jobs, histories, now)
		}
		if problem, failed := mail.Assess(jobs.mailer.Relays(), queue, now); failed {
			s.conditions.Failed(job.ProcessMail, problem)
		} else {
			s.conditions.Met(job.ProcessMail)
		}
		select {
		case <-ctx.Done():
			return
		case now = <-ticker.C:
		}
	}
}

// countMails counts the mails in all queues. It returns what is known when the
// server does not answer.
func (s *mailStage) countMails(ctx context.Context, jobs *mailJobs, histories map[string]*queueHistory, now time.Time) mail.Queue {
	consumers := []topology.Consumer{topology.MailCallConsumer()}
	for _, class := range job.MailClasses() {
		consumers = append(consumers, topology.MailConsumer(class))
	}
	var total mail.Queue
	for _, consumer := range consumers {
		waiting, unsettled, err := inspect.Outstanding(ctx, s.p, consumer)
		if err != nil {
			s.log.DebugContext(ctx, "queue of mails could not be counted", "queue", consumer.Name, "error", err)
			continue
		}
		history := histories[consumer.Name]
		if history == nil {
			history = &queueHistory{}
			histories[consumer.Name] = history
		}
		history.count(waiting, now)
		total.Waiting += waiting
		total.Unsettled += unsettled
		total.Oldest = max(total.Oldest, history.oldest(jobs.waits.last(consumer.Name), now))
		total.Growing = max(total.Growing, history.growing(now))
	}
	return total
}

// queueHistory follows the number of waiting mails in a queue.
type queueHistory struct {
	counted      time.Time
	waiting      uint64
	waitingSince time.Time // zero while no mail waits
	grownSince   time.Time // zero unless the number has grown and not shrunk since
}

func (h *queueHistory) count(waiting uint64, now time.Time) {
	switch {
	case waiting == 0:
		h.waitingSince, h.grownSince = time.Time{}, time.Time{}
	case h.waitingSince.IsZero():
		h.waitingSince = now
	case waiting < h.waiting:
		h.grownSince = time.Time{}
	case waiting > h.waiting && h.grownSince.IsZero():
		h.grownSince = h.counted
	}
	h.waiting, h.counted = waiting, now
}

// oldest is how long the first waiting mail waits at least: as long as the mail
// that was taken last has waited, or since that one was taken.
func (h *queueHistory) oldest(last queueWait, now time.Time) time.Duration {
	switch {
	case h.waitingSince.IsZero():
		return 0
	case last.at.Before(h.waitingSince):
		return now.Sub(h.waitingSince)
	default:
		return max(last.waited, now.Sub(last.at))
	}
}

func (h *queueHistory) growing(now time.Time) time.Duration {
	if h.grownSince.IsZero() {
		return 0
	}
	return now.Sub(h.grownSince)
}

// queueWait is how long a mail had waited when it was taken from its queue.
type queueWait struct {
	at     time.Time
	waited time.Duration
}

// queueWaits has the last wait in each queue.
type queueWaits struct {
	mu     sync.Mutex
	queues map[string]queueWait
}

func (w *queueWaits) took(queue string, stored, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queues == nil {
		w.queues = map[string]queueWait{}
	}
	w.queues[queue] = queueWait{at: now, waited: now.Sub(stored)}
}

func (w *queueWaits) last(queue string) queueWait {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queues[queue]
}
