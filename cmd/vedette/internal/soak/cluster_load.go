package soak

import (
	"context"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline"
	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// clusterLoad orders jobs, and knows which the cluster has acknowledged.
type clusterLoad struct {
	pipeline *pipeline.Pipeline
	address  string // what checks look at

	mu            sync.Mutex
	checks, mails []acknowledged
	refused       []string // why, each
}

// acknowledged is a job that the cluster has, by its own word.
type acknowledged struct {
	id          string
	stored      pipeline.Stored
	ordered, at time.Time // when it was first published, and when that was acknowledged
}

// mailEvery is how many checks go with each mail.
const mailEvery = 5

// produce orders jobs at a rate until ctx ends. What is on its way then is
// waited for: it may be stored already.
func (l *clusterLoad) produce(ctx context.Context, rate int) error {
	numbers := make(chan int)
	group, _ := errgroup.WithContext(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer close(numbers)
		pace := time.NewTicker(time.Second / time.Duration(rate))
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return nil
			}
			select {
			case numbers <- n:
			case <-ctx.Done():
				return nil
			}
		}
	})
	for range producers {
		group.Go(func() error {
			for n := range numbers {
				if err := l.order(context.WithoutCancel(ctx), n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// order stores a check, and a mail now and then.
func (l *clusterLoad) order(ctx context.Context, n int) error {
	limited, cancel := context.WithTimeout(ctx, clusterPatience)
	defer cancel()
	id := "soak-" + strconv.Itoa(n)
	check := job.Check{V: job.Version, ID: id, Spec: job.Spec{TCP: &job.TCP{Address: l.address, Dialogue: []job.Step{{Send: id + "\n"}, {Expect: "well"}}}}}
	if err := l.store(limited, topology.AdhocSubject(job.DefaultLocation, id), id, check, &l.checks); err != nil {
		return err
	}
	if n%mailEvery != 0 {
		return nil
	}
	id = "soak-mail-" + strconv.Itoa(n)
	mail := job.Mail{V: job.Version, ID: id, To: "you@example.org", Subject: id, Text: "A mail of the soak.\n"}
	return l.store(limited, topology.MailSubject(job.MailAdhoc, id), id, mail, &l.mails)
}

// store publishes a job until the cluster has it. What it refused for good was
// never acknowledged, and is not owed; there should be none.
func (l *clusterLoad) store(ctx context.Context, subject, id string, order any, into *[]acknowledged) error {
	body, err := job.Encode(order)
	if err != nil {
		return err
	}
	done := acknowledged{id: id, ordered: time.Now()}
	done.stored, err = l.pipeline.Store(ctx, pipeline.Message{Subject: subject, Body: body, ID: id, Wait: true})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused = append(l.refused, wall(time.Now())+" "+err.Error())
		return nil
	}
	done.at = time.Now()
	*into = append(*into, done)
	return nil
}
