package pool

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// puller asks a consumer for messages, and knows how many it has asked for
// that have not come. It belongs to the loop of one pool.
//
// It has one inbox for its whole life: a subscription for each request costs
// more, and replies got lost while a cluster was still learning of it. Jobs
// carry the subject under which they were stored, so which request one answers
// cannot be seen, and only the sum is kept; the end of a request is told under
// the request's own subject, with what was left of it.
type puller struct {
	pool     *Pool
	subject  string
	inbox    string
	messages chan *nats.Msg
	sub      *nats.Subscription

	asked  int       // jobs that the server still owes
	epoch  int       // requests of an earlier one are forgotten
	heard  time.Time // when the server last said anything
	paused bool      // after a refusal, until again fires
	again  *time.Timer
	gone   bool // the consumer may have been deleted
}

// The server ends a request after pullExpires, and says in between that it is
// alive; silence for two heartbeats means that it forgot the request. A node of
// a cluster that dies tells nobody, and those who ask others' nodes lose no
// connection: they should know by the time that there is a new leader, some 5 s
// later.
const (
	pullExpires   = 30 * time.Second
	pullHeartbeat = 2 * time.Second
	pullSilence   = 2*pullHeartbeat + time.Second
	// pullPause is between a refusal and the next request. Most refusals mean that
	// a leader is being chosen, and work waits for it.
	pullPause = 250 * time.Millisecond
)

func newPuller(pool *Pool) (*puller, error) {
	p := &puller{
		pool:    pool,
		subject: fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", pool.stream(), pool.config.Consumer.Name),
		inbox:   pool.p.Conn().NewInbox(),
		// Room for all jobs, and for the words about requests beside them.
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

// wants tells whether it is time to ask.
func (p *puller) wants(free int) bool {
	free -= p.asked
	return free > 0 && !p.paused && p.pool.config.Available() && (p.asked == 0 || free >= int(p.pool.limit.Load())/8)
}

// ask requests as many jobs as there are free slots that nothing has been
// requested for. While the server still owes some, a few more slots than that
// wait until it does not, or until they are an eighth of all: each request costs
// the server work, and it keeps 512 of them at most.
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

// take does the accounts of a message, and returns it if it is a job, else nil.
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

// ended does the accounts of a request that is over. One that ran out of time
// is asked again at once, one that was refused after a pause.
func (p *puller) ended(status string, header nats.Header) {
	count, err := strconv.Atoi(header.Get("Nats-Pending-Messages"))
	if err != nil {
		count = p.asked // it does not say, so all is asked anew
	}
	p.asked = max(0, p.asked-count)
	if status == "408" {
		return
	}
	p.pause()
	description := header.Get("Description")
	// Nobody answers for a consumer that was deleted, nor while there is no leader.
	p.gone = status == "503" || strings.Contains(description, "Deleted")
	p.pool.log.Debug("request for jobs refused", "status", status, "description", description)
}

func (p *puller) pause() {
	p.paused = true
	p.again.Reset(pullPause)
}

// resume ends a pause.
func (p *puller) resume() { p.paused = false }

// check forgets requests that the server no longer speaks of.
func (p *puller) check(now time.Time) {
	if p.asked > 0 && now.Sub(p.heard) > pullSilence {
		p.forget()
	}
}

// forget drops every request: the connection was lost, and they with it.
func (p *puller) forget() {
	p.asked = 0
	p.epoch++
}

// close stops the flow. Jobs that were on their way are given back at once.
func (p *puller) close() {
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

// giveBack returns a job that was not begun. Should the word get lost, the job
// comes again once its hold has passed.
func giveBack(message *nats.Msg) { _ = message.Nak() }
