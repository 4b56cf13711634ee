package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"vedette/pipeline/topology"
)

// Replies receives the answers to this process's calls, with one subscription for
// all. One for each call would cost more, and lost answers when that was measured
// in a cluster.
type Replies struct {
	p      *Pipeline
	sub    *nats.Subscription
	inbox  string // without the installation's prefix and "reply."
	mu     sync.Mutex
	waiter map[string]chan []byte
}

// Replies opens an inbox for answers. Close it when no call waits any more.
func (p *Pipeline) Replies() (*Replies, error) {
	r := &Replies{p: p, inbox: nuid.Next(), waiter: map[string]chan []byte{}}
	if p.config.Inbox != "" {
		r.inbox = p.config.Inbox + "." + r.inbox
	}
	sub, err := p.conn.Subscribe(p.names.Subject(topology.ReplySubject(r.inbox), "*"), r.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe to replies: %w", err)
	}
	r.sub = sub
	return r, nil
}

// Await returns an address for [Message.Reply], a channel for the first answer to
// it, and a function that ends the wait. A lost connection may lose the answer,
// so the caller should also look for the outcome now and then.
func (r *Replies) Await() (address string, answer <-chan []byte, end func()) {
	token := nuid.Next()
	waiting := make(chan []byte, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiter[token] = waiting
	return r.inbox + "." + token, waiting, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiter, token)
	}
}

func (r *Replies) receive(message *nats.Msg) {
	token := message.Subject[strings.LastIndexByte(message.Subject, '.')+1:]
	r.mu.Lock()
	defer r.mu.Unlock()
	if waiting, ok := r.waiter[token]; ok {
		delete(r.waiter, token)
		waiting <- message.Data
	}
}

// Close ends the subscription.
func (r *Replies) Close() error {
	if err := r.sub.Unsubscribe(); err != nil && r.p.conn.IsConnected() {
		return fmt.Errorf("unsubscribe from replies: %w", err)
	}
	return nil
}

// Reply sends the answer to a job's caller, if one waits. The address came with
// the job, from outside; in a subject below "reply" it can only reach inboxes.
func (p *Pipeline) Reply(ctx context.Context, address string, body []byte) error {
	if address == "" {
		return nil
	}
	if err := unfenced(ctx); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	if err := p.conn.Publish(p.names.Subject(topology.ReplySubject(address)), body); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	return nil
}
