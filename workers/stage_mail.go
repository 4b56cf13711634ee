package workers

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/health"
	"vedette/workers/mail"
)

// Mailer sends mails.
type Mailer interface {
	// Handle makes one attempt to send a mail. The returned error is the job's
	// result, as package job defines it.
	Handle(ctx context.Context, m job.Mail, a mail.Attempt) error
	// StoreCopy stores a mail that cannot be sent yet on this machine, for its
	// administrators. It will still be sent.
	StoreCopy(ctx context.Context, m job.Mail, stored time.Time) error
	Outlets
	// Serve maintains the connections to relays until ctx ends.
	Serve(ctx context.Context) error
	// Close closes what is still open, after all calls to Handle have returned.
	Close()
}

// Outlets are the relays, or the Maildir.
type Outlets interface {
	// Available reports whether mails can currently be sent.
	Available() bool
	// Relays returns the states of the relays in the order in which they are tried,
	// or that of the Maildir.
	Relays() []mail.RelayState
}

// Deliveries stores the delivery status of mails.
type Deliveries interface {
	// Delivery returns the status of a mail, and whether there is one.
	Delivery(ctx context.Context, id string) (job.Delivery, bool, error)
	// Begin records the start of an attempt, unless the mail was sent or
	// withdrawn, or another worker's attempt holds it. It returns the status that
	// is stored afterwards.
	Begin(ctx context.Context, begun job.Delivery) (job.Delivery, error)
	// Record replaces the status of a mail.
	Record(ctx context.Context, d job.Delivery) error
}

// mailStage sends mails. Each class has its own queue, and so have calls, so that
// no backlog delays the others.
type mailStage struct {
	*shared

	newMailer   func(Deliveries) (Mailer, error)
	giveUpAfter time.Duration
	allowed     AllowedMails
	conditions  *health.Conditions
}

const (
	// mailTimeout allows for the five minutes that a relay may take to answer the
	// final dot, and for the commands before it.
	mailTimeout        = 8 * time.Minute
	defaultGiveUpAfter = 24 * time.Hour
	// operatorMails is how many operator mails are sent at once: one mail has
	// many notices.
	operatorMails = 2
)

// supervisor:
//
//	mail                   rest_for_one
//	├── mailer             holds the sessions with the relays
//	└── children           dynamic
//	    ├── mail-alert
//	    ├── mail-adhoc
//	    ├── mail-operator
//	    └── call-mail      calls
func (s *mailStage) supervisor() (supervise.Child, error) {
	mails := func(l Limits) int { return l.Mails }
	st := stage[*mailJobs]{name: StageMail, foundation: "mailer", open: s.open}
	for _, class := range job.MailClasses() {
		limit := mails
		if class == job.MailOperator {
			limit = func(Limits) int { return operatorMails }
		}
		st.pools = append(st.pools, stagePool[*mailJobs]{topology.MailConsumer(class), limit, func(j *mailJobs) pool.Config {
			return j.classPool(class)
		}})
	}
	st.pools = append(st.pools, stagePool[*mailJobs]{topology.MailCallConsumer(), mails, (*mailJobs).pool})
	return st.supervisor(s.shared)
}

// open creates the mailer, and closes it when ctx ends.
func (s *mailStage) open(ctx context.Context, ready func(*mailJobs)) error {
	bucket, err := s.p.Bucket(ctx, topology.Deliveries)
	if err != nil {
		return err
	}
	outcomes, err := newOutcomes(ctx, s.p)
	if err != nil {
		return err
	}
	jobs := &mailJobs{mailStage: s, deliveries: &deliveryStore{bucket: bucket}, outcomes: outcomes}
	jobs.mailer, err = s.newMailer(jobs.deliveries)
	if err != nil {
		return err
	}
	defer jobs.mailer.Close()
	ready(jobs)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return jobs.mailer.Serve(ctx) })
	group.Go(func() error { s.watchMail(ctx, jobs); return nil })
	return group.Wait()
}
