package faultsoak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"vedette/cmd/vedette/internal/harness"
	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/producer"
)

// courier enqueues mails through all faults, and counts which ones arrive.
type courier struct {
	client *producer.Client
	post   *post

	mu           sync.Mutex
	acknowledged []string // ids
}

// reader gets these mails.
const reader = "reader@example.org"

const (
	mailEvery = time.Second
	mailTry   = 3 * time.Second
)

func newCourier(p *pipeline.Pipeline, post *post) (*courier, error) {
	client, err := producer.NewClient(producer.ClientConfig{Pipeline: p, Wait: true})
	return &courier{client: client, post: post}, err
}

// run enqueues a mail each second until ctx ends. One that is not acknowledged is
// tried again.
func (c *courier) run(ctx context.Context) {
	for n := 0; ; n++ {
		id := fmt.Sprintf("faults-%d", n)
		for !c.enqueue(ctx, id) {
			if harness.Wait(ctx, mailEvery) != nil {
				return
			}
		}
		c.mu.Lock()
		c.acknowledged = append(c.acknowledged, id)
		c.mu.Unlock()
		if harness.Wait(ctx, mailEvery) != nil {
			return
		}
	}
}

func (c *courier) enqueue(ctx context.Context, id string) bool {
	limited, cancel := context.WithTimeout(ctx, mailTry)
	defer cancel()
	_, err := c.client.EnqueueMail(limited, job.Mail{ID: id, To: reader, Subject: id, Text: "Number " + id + "."})
	return err == nil || errors.Is(err, producer.ErrDuplicate)
}

// mailBalance counts mails.
type mailBalance struct {
	acknowledged, arrived int
	lost                  []string // acknowledged, and not arrived
	repeated              int      // arrived again, with the same id
	doubled               []string // subjects to one address with different ids
}

// balance counts the mails that have arrived.
func (c *courier) balance() mailBalance {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := mailBalance{acknowledged: len(c.acknowledged)}
	times := map[string]int{}           // by id
	ids := map[string]map[string]bool{} // by address and content
	for _, m := range c.post.since(time.Time{}) {
		times[m.id]++
		key := m.to + " " + m.subject + "\n" + m.text
		if ids[key] == nil {
			ids[key] = map[string]bool{}
		}
		ids[key][m.id] = true
	}
	for _, n := range times {
		b.repeated += n - 1
	}
	for key, found := range ids {
		if len(found) > 1 {
			subject, _, _ := strings.Cut(key, "\n")
			b.doubled = append(b.doubled, subject)
		}
	}
	arrived := map[string]bool{}
	for _, m := range c.post.since(time.Time{}) {
		if m.to == reader {
			arrived[m.subject] = true
		}
	}
	for _, id := range c.acknowledged {
		if arrived[id] {
			b.arrived++
		} else {
			b.lost = append(b.lost, id)
		}
	}
	return b
}
