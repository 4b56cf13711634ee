package mail

import (
	"fmt"
	"hash/fnv"
	"math"
	netmail "net/mail"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"vedette/pipeline/job"
)

// recipientQuota bounds the mails per minute to each address, so that a runaway
// program neither floods a mailbox nor damages our reputation with a relay. The
// mails of a minute may come as one burst. A nil recipientQuota has no bound.
type recipientQuota struct {
	perMinute int

	mu       sync.Mutex // guards limiters and swept
	limiters map[string]*rate.Limiter
	swept    time.Time
}

// newRecipientQuota returns nil for zero.
func newRecipientQuota(perMinute int) *recipientQuota {
	if perMinute <= 0 {
		return nil
	}
	return &recipientQuota{perMinute: perMinute, limiters: make(map[string]*rate.Limiter)}
}

// take counts a mail. When the quota is used up, the error returns the job to
// the queue for 30 to 90 s without counting an attempt. The delay depends on the
// mail's id, so that the waiting mails do not return together.
func (q *recipientQuota) take(m job.Mail, now time.Time) error {
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sweep(now)
	key := quotaKey(m.To)
	limiter := q.limiters[key]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Limit(float64(q.perMinute)/time.Minute.Seconds()), q.perMinute)
		q.limiters[key] = limiter
	}
	if limiter.AllowN(now, 1) {
		return nil
	}
	return job.Interrupted(fmt.Errorf("send mail %s: recipient has reached its limit of %d mails a minute", m.ID, q.perMinute), time.Minute/2+delayFromID(m.ID, time.Minute))
}

// sweep removes limiters that are full again.
func (q *recipientQuota) sweep(now time.Time) {
	if now.Sub(q.swept) < time.Minute {
		return
	}
	q.swept = now
	for key, limiter := range q.limiters {
		if limiter.TokensAt(now) >= float64(q.perMinute) {
			delete(q.limiters, key)
		}
	}
}

// quotaKey is the bare address in lower case. A local part may be case-sensitive
// (RFC 5321, 2.4), but no provider makes use of that.
func quotaKey(to string) string {
	if address, err := netmail.ParseAddress(to); err == nil {
		to = address.Address
	}
	return strings.ToLower(to)
}

// delayFromID maps an id to a delay from 0 to d.
func delayFromID(id string, d time.Duration) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id)) // never fails
	return time.Duration(float64(d) * float64(hash.Sum32()) / math.MaxUint32)
}
