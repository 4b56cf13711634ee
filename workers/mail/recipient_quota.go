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

// recipientQuota bounds how many mails one address gets, so that a program gone wild
// fills nobody's mailbox and costs us no reputation with a relay. A minute's worth
// may come at once. Its nil value lets everything through.
type recipientQuota struct {
	perMinute int

	mu        sync.Mutex // guards the rest
	limiters map[string]*rate.Limiter
	swept     time.Time
}

func newRecipientQuota(perMinute int) *recipientQuota {
	if perMinute <= 0 {
		return nil
	}
	return &recipientQuota{perMinute: perMinute, limiters: make(map[string]*rate.Limiter)}
}

// take takes one of the mails that an address may get. Beyond them the error
// gives the job back, without an attempt, for half a minute to one and a half:
// delayFromID by the mails' ids, so that they do not all come again at once.
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
	return job.Interrupted(fmt.Errorf("send mail %s: its recipient gets at most %d a minute", m.ID, q.perMinute), time.Minute/2+delayFromID(m.ID, time.Minute))
}

// removeAbandoned forgets addresses that may get all their mails again.
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

// quotaKey is what an address is counted under. A local part could tell cases
// apart, and does so nowhere (RFC 5321, 2.4).
func quotaKey(to string) string {
	if address, err := netmail.ParseAddress(to); err == nil {
		to = address.Address
	}
	return strings.ToLower(to)
}

// delayFromID is a function of the id, at most d.
func delayFromID(id string, d time.Duration) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(id)) // a hash takes everything
	return time.Duration(float64(d) * float64(hash.Sum32()) / math.MaxUint32)
}
