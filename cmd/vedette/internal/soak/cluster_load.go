package soak

import (
	"context"
	"strconv"
	"sync"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// clusterLoad enqueues jobs and records which ones the cluster acknowledged.
type clusterLoad struct {
	pipeline *pipeline.Pipeline
	target   string // for the checks

	mu            sync.Mutex
	checks, mails []acknowledged
	refused       []string // times and errors
}

// acknowledged is a job that the cluster has acknowledged.
type acknowledged struct {
	id           string
	stored       pipeline.Stored
	enqueued, at time.Time // first publish, and acknowledgement
}

// mailEvery is how many checks come with each mail.
const mailEvery = 5

// produce enqueues jobs at a rate until ctx ends.
func (l *clusterLoad) produce(ctx context.Context, rate int) error {
	pace := time.NewTicker(time.Second / time.Duration(rate))
	defer pace.Stop()
	next := func(int) bool {
		select {
		case <-pace.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return produce(ctx, next, func(n int) error { return l.enqueue(context.WithoutCancel(ctx), n) })
}

// enqueue stores a check, and sometimes a mail.
func (l *clusterLoad) enqueue(ctx context.Context, n int) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id := jobID(n)
	check := job.Check{V: job.Version, ID: id, Spec: job.Spec{TCP: &job.TCP{Address: l.target, Dialogue: []job.Step{{Send: id + "\n"}, {Expect: "well"}}}}}
	if err := l.store(limited, topology.AdhocSubject(job.DefaultLocation, id), id, check, &l.checks); err != nil {
		return err
	}
	if n%mailEvery != 0 {
		return nil
	}
	id = "soak-mail-" + strconv.Itoa(n)
	mail := job.Mail{V: job.Version, ID: id, To: "you@example.org", Subject: id, Text: "A mail from the soak.\n"}
	return l.store(limited, topology.MailSubject(job.MailAdhoc, id), id, mail, &l.mails)
}

// store publishes a job until the cluster acknowledges or refuses it. A refused
// job cannot be lost, but there should be none.
func (l *clusterLoad) store(ctx context.Context, subject, id string, message any, into *[]acknowledged) error {
	body, err := job.Encode(message)
	if err != nil {
		return err
	}
	began := time.Now()
	stored, err := l.pipeline.Store(ctx, pipeline.Message{Subject: subject, Body: body, ID: id, Wait: true})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused = append(l.refused, wall(time.Now())+" "+err.Error())
		return nil
	}
	*into = append(*into, acknowledged{id: id, stored: stored, enqueued: began, at: time.Now()})
	return nil
}
