package pool

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// puller asks a consumer for messages, and counts the requested messages that
// have not arrived. It belongs to the loop of one pool.
//
// It has one inbox for its whole life: a subscription for each request costs
// more, and replies got lost before a cluster knew the subscription. Jobs arrive
// with the subject under which they were stored, not with their request's, so
// only the sum is counted. The end of a request arrives with the request's own
// subject and its remaining count.
type puller struct {
	pool     *Pool
	subject  string
	inbox    string
	messages chan *nats.Msg
	sub      *nats.Subscription

	asked  int       // requested jobs that have not arrived
	epoch  int       // requests from earlier epochs are forgotten
	heard  time.Time // when the last message arrived
	paused bool      // after a refusal, until again fires
	again  *time.Timer
	gone   bool // the consumer may have been deleted
}

// The server ends a request after pullExpires, and sends heartbeats in between;
// silence for two heartbeats means that it forgot the request. When a cluster
// node dies, processes that are connected to other nodes lose no connection, but
// should notice by the time there is a new leader, some 5 s later.
const (
	pullExpires   = 30 * time.Second
	pullHeartbeat = 2 * time.Second
	pullSilence   = 2*pullHeartbeat + time.Second
	// pullPause is between a refusal and the next request. Most refusals mean that
	// a leader is being elected.
	pullPause = 250 * time.Millisecond
)

func newPuller(pool *Pool) (*puller, error) {
	p := &puller{
		pool:    pool,
		subject: fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", pool.stream(), pool.config.Consumer.Name),
		inbox:   pool.p.Conn().NewInbox(),
		// Room for all jobs and for messages about requests.
		messages: make(chan *nats.Msg, 2*pool.config.MaxLimit+256),
		heard:    time.Now(),
		again:    time.NewTimer(0),
	}
	sub, err := pool.p.Conn().ChanSubscribe(p.inbox+".*", p.messages)
	if err != nil {
		return nil, fmt.Errorf("subscribe to jobs: %w", err)
	}
	p.sub = sub
	return p, nil
}

// wants reports whether it is time for a request.
func (p *puller) wants(free int) bool {
	free -= p.asked
	return free > 0 && !p.paused && p.pool.config.Available() && (p.asked == 0 || free >= int(p.pool.limit.Load())/8)
}

// ask requests a job for each free slot without a request. While requested jobs
// have not arrived, free slots wait until they are an eighth of the limit: each
// request costs the server work, and it keeps at most 512.
func (p *puller) ask(free int) error {
	if !p.wants(free) {
		return nil
	}
	free -= p.asked
	body := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, free, pullExpires, pullHeartbeat)
	if p.asked == 0 {
		p.heard = time.Now()
	}
	if err := p.pool.p.Conn().PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.epoch), body); err != nil {
		p.pause()
		return fmt.Errorf("request jobs: %w", err)
	}
	p.asked += free
	return nil
}

// take counts a message, and returns it if it is a job, nil otherwise.
func (p *puller) take(message *nats.Msg) *nats.Msg {
	p.heard = time.Now()
	status := message.Header.Get("Status")
	if status == "" {
		p.asked = max(0, p.asked-1)
		return message
	}
	epoch := message.Subject[strings.LastIndexByte(message.Subject, '.')+1:]
	if status != "100" && epoch == strconv.Itoa(p.epoch) { // neither a heartbeat nor an old request's end
		p.ended(status, message.Header)
	}
	return nil
}

// ended counts the end of a request. An expired request is repeated at once, a
// refused one after a pause.
func (p *puller) ended(status string, header nats.Header) {
	count, err := strconv.Atoi(header.Get("Nats-Pending-Messages"))
	if err != nil {
		count = p.asked // unknown, so all are requested again
	}
	p.asked = max(0, p.asked-count)
	if status == "408" {
		return
	}
	p.pause()
	description := header.Get("Description")
	// There is no answer for a deleted consumer, nor while there is no leader.
	p.gone = status == "503" || strings.Contains(description, "Deleted")
	p.pool.log.Debug("request for jobs refused", "status", status, "description", description)
}

func (p *puller) pause() {
	p.paused = true
	p.again.Reset(pullPause)
}

// resume ends a pause.
func (p *puller) resume() { p.paused = false }

// check forgets requests after a silence.
func (p *puller) check(now time.Time) {
	if p.asked > 0 && now.Sub(p.heard) > pullSilence {
		p.forget()
	}
}

// forget drops all requests, which a lost connection ends.
func (p *puller) forget() {
	p.asked = 0
	p.epoch++
}

// unsubscribe stops the flow, and gives back the jobs that have arrived.
func (p *puller) unsubscribe() {
	if p.sub == nil {
		return
	}
	p.again.Stop()
	_ = p.sub.Unsubscribe() // fails only when the connection is closed, and the subscription with it
	p.sub = nil
	for {
		select {
		case message := <-p.messages:
			if message.Header.Get("Status") == "" {
				giveBack(message)
			}
		default:
			return
		}
	}
}

// giveBack returns a job that was not begun to its queue. If that fails, the job
// is delivered again once its hold has expired.
func giveBack(message *nats.Msg) { _ = message.Nak() }
