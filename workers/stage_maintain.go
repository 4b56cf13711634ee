package workers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vedette/pipeline"
	"vedette/pipeline/deadletter"
	"vedette/pipeline/job"
	"vedette/pipeline/pool"
	"vedette/pipeline/stranded"
	"vedette/pipeline/supervise"
	"vedette/pipeline/topology"
	"vedette/workers/notify"
)

// maintainStage looks after the pipeline itself. It notifies the operators of
// dead letters, stuck handlers, silent processes and similar events, several in
// one mail, and rescues jobs that the server gave up on.
type maintainStage struct {
	*shared
}

// maintainJobs handles the jobs. It knows the operators.
type maintainJobs struct {
	*maintainStage

	directory notify.Directory
	digests   *pipeline.Bucket
}

// supervisor:
//
//	maintain           rest_for_one
//	├── operators      follows recipients and settings
//	└── children       dynamic
//	    ├── processes              detects processes that fall silent
//	    ├── stages                 detects stages without a process
//	    ├── saturation             detects that checks miss slots for lack of capacity
//	    ├── stranded               repairs jobs that no consumer will deliver
//	    ├── maintain-notices       adds notices to the digest
//	    ├── maintain-dead-letters  adds dead letters to the digest
//	    ├── maintain-digest        mails the digest when it is due
//	    └── maintain-rescue        makes dead letters from stranded jobs
func (s *maintainStage) supervisor() (supervise.Child, error) {
	return stage[*maintainJobs]{
		name: StageMaintain, foundation: "operators", open: s.open,
		watches: []supervise.Child{
			s.child("processes", s.watchProcesses), s.child("stages", s.watchStages), s.child("saturation", s.watchSaturation), s.child("stranded", s.watchStranded),
		},
		pools: []stagePool[*maintainJobs]{
			{topology.NoticeConsumer(), nil, func(m *maintainJobs) pool.Config { return pool.Config{Handler: handle(m.collect)} }},
			{topology.DeadLetterConsumer(), nil, func(m *maintainJobs) pool.Config {
				return pool.Config{Handler: m.deadLetter, MaxUnsettled: manyUnsettled}
			}},
			{topology.DigestConsumer(), nil, func(m *maintainJobs) pool.Config { return pool.Config{Handler: m.sendDigest} }},
			{topology.RescueConsumer(), nil, func(m *maintainJobs) pool.Config { return pool.Config{Handler: m.rescue} }},
		},
	}.supervisor(s.shared)
}

// open is ready when it has the recipients and settings that exist at the start.
func (s *maintainStage) open(ctx context.Context, ready func(*maintainJobs)) error {
	buckets, err := pipeline.Buckets(ctx, s.p, topology.Monitors, topology.Digests)
	if err != nil {
		return err
	}
	m := &maintainJobs{maintainStage: s, digests: buckets[topology.Digests]}
	return buckets[topology.Monitors].WatchMatching(ctx, topology.NonMonitorKeys(), func(e pipeline.Entry) { m.setDefinition(ctx, e) }, func() { ready(m) })
}

// watchStranded repairs stranded jobs. Any number of processes may do so.
func (s *maintainStage) watchStranded(ctx context.Context) error {
	watch := stranded.NewWatch(s.p)
	return s.poll(ctx, stranded.Period, stranded.Period, "stranded jobs", watch.Check)
}

func (m *maintainJobs) rescue(ctx context.Context, d pipeline.Delivery) error {
	return deadletter.Rescue(ctx, m.p, d)
}

// setDefinition takes a recipient or the settings. The operators are notified even
// if these are from a newer version.
func (m *maintainJobs) setDefinition(ctx context.Context, e pipeline.Entry) {
	if _, err := updateDirectory(&m.directory, e, job.DecodeKnown[job.Recipient], job.DecodeKnown[job.Settings]); err != nil {
		m.log.ErrorContext(ctx, "stored definition cannot be read", "key", e.Key, "error", err)
	}
}

// updateDirectory takes a recipient or the settings into a directory, and returns the
// settings if they are what the key holds. Other keys are from a newer version.
func updateDirectory(
	d *notify.Directory, e pipeline.Entry, readRecipient func([]byte) (job.Recipient, error), readSettings func([]byte) (job.Settings, error),
) (settings *job.Settings, err error) {
	name, isRecipient := topology.CutRecipientKey(e.Key)
	switch {
	case isRecipient && e.Deleted:
		d.Remove(name)
	case isRecipient:
		recipient, err := readRecipient(e.Value)
		if err != nil {
			return nil, err
		}
		d.Set(recipient)
	case e.Key == topology.SettingsKey:
		settings = &job.Settings{}
		if !e.Deleted {
			if *settings, err = readSettings(e.Value); err != nil {
				return nil, err
			}
		}
		d.SetSettings(*settings)
	}
	return settings, nil
}

// addresses returns the operators' addresses.
func (m *maintainJobs) addresses(ctx context.Context) []string {
	addresses, unknown := m.directory.Addresses(m.directory.Operators())
	for _, name := range unknown {
		m.log.ErrorContext(ctx, "operator is not a defined recipient", "recipient", name)
	}
	return addresses
}

// deadLetter notifies the operators of a dead letter. A job that was parked for
// lack of a newer process returns to its queue once this process can read it.
func (m *maintainJobs) deadLetter(ctx context.Context, d pipeline.Delivery) error {
	dead := deadletter.Read(d)
	parked := dead.Reason == job.ReasonUnsupported
	switch {
	case dead.Reason == job.ReasonUndelivered:
		return deadletter.Replay(ctx, m.p, dead)
	case parked && !job.Newer(dead.Body):
		return deadletter.Replay(ctx, m.p, dead)
	case parked && d.Redelivered:
		return job.Interrupted(errParked, parkedPeriod) // the operators were notified before
	}
	err := m.reportDead(ctx, d.Subject, dead)
	if err == nil && parked {
		return job.Interrupted(errParked, parkedPeriod)
	}
	return err
}

// reportDead makes a notice from a dead letter. A dead mail to the operators is
// only logged: a mail about it would fail in the same way.
func (m *maintainJobs) reportDead(ctx context.Context, subject string, dead deadletter.Letter) error {
	if topology.InMailClass(dead.Subject, job.MailOperator) {
		m.log.ErrorContext(ctx, "mail to operators is dead", "dead_letter", dead.ID, "reason", dead.Reason, "error", dead.Error)
		return nil
	}
	return m.collect(ctx, job.Notice{
		V: job.Version, ID: job.DeriveID("dead", subject), Kind: job.NoticeDead, At: dead.DeadAt.UTC(), Source: dead.Worker,
		Summary: deadSummary(&dead), Detail: deadDetail(&dead),
	})
}

// deadSummary says what a dead letter means: for an alert who does not hear about
// what, for other jobs which one was not done.
func deadSummary(dead *deadletter.Letter) string {
	alert, is := deadAlert(dead)
	if !is {
		return fmt.Sprintf("stage %s gave up on %s (%s): %s", dead.Stage, dead.Subject, dead.Reason, dead.Error)
	}
	return fmt.Sprintf("%s did not get %q (%s): %s", alert.To, alert.Subject, dead.Reason, dead.Error)
}

// deadDetail names the monitors and the job of an alert.
func deadDetail(dead *deadletter.Letter) string {
	alert, is := deadAlert(dead)
	if !is {
		return ""
	}
	text := "recipient: " + alert.To
	if n := len(alert.Monitors); n > 0 {
		text += "\nmonitors: " + strings.Join(alert.Monitors, ", ")
		if n == job.MaxMailMonitors {
			text += " …"
		}
	}
	return text + fmt.Sprintf("\njob: %s, dead letter %d", dead.Subject, dead.ID)
}

// deadAlert returns the alert in a dead letter, if that is one.
func deadAlert(dead *deadletter.Letter) (job.Mail, bool) {
	if !topology.InMailClass(dead.Subject, job.MailAlert) {
		return job.Mail{}, false
	}
	alert, err := job.DecodeKnown[job.Mail](dead.Body)
	return alert, err == nil && alert.To != ""
}

// errParked means that a job waits for a newer process, which receives it from
// the same queue.
var errParked = errors.New("job is parked until a newer process takes it")

// parkedPeriod is how often a parked job is read again.
const parkedPeriod = 20 * time.Second
