// Package rights computes the permissions for users on a shared NATS server, and
// writes them as its configuration.
package rights

import (
	"slices"

	"vedette/pipeline/job"
	"vedette/pipeline/topology"
)

// Role is the work a program does on a server that it shares with others. Its
// permissions are the least that this work needs.
type Role string

// The roles.
const (
	// Publisher enqueues checks and mails, reads their outcomes, and sends pings.
	Publisher Role = "publisher"
	// Scheduler turns ticks into checks.
	Scheduler Role = "scheduler"
	// CheckWorker runs the checks for one location.
	CheckWorker Role = "check_worker"
	// Evaluator evaluates results, and enqueues rechecks.
	Evaluator Role = "evaluator"
	// Notifier decides which addresses to notify, and enqueues the mails.
	Notifier Role = "notifier"
	// MailWorker sends mails.
	MailWorker Role = "mail_worker"
	// Viewer reads what the status page shows, including definitions with headers.
	Viewer Role = "viewer"
	// Admin installs, applies files, handles dead letters and notifies operators:
	// everything in this installation, and nothing outside it.
	Admin Role = "admin"
)

// Roles lists all roles.
func Roles() []Role {
	return []Role{Publisher, Scheduler, CheckWorker, Evaluator, Notifier, MailWorker, Viewer, Admin}
}

// Permissions are subjects that a user may publish and subscribe to, except the
// denied ones. Everything else is forbidden.
type Permissions struct {
	Publish, Deny, Subscribe []string
}

// Of returns the permissions for a role. Its programs must connect with
// pipeline.Config.Inbox set to inbox, so that none can read another's answers;
// location is for check workers.
//
// The server does not check two things (both tried with 2.15): where a schedule
// sends its message, so no stream with schedules holds anything valuable, and the
// reply subject when a client publishes, to which the server sends its answer, so
// a message that is no job must end as a harmless dead letter.
func Of(names topology.Names, role Role, inbox, location string) Permissions {
	r := rights{names: names}
	r.Subscribe = []string{"_INBOX." + inbox + ".>"}
	switch role {
	case Publisher:
		r.enqueue(inbox)
	case Scheduler:
		r.pull(topology.SchedulerConsumer())
		r.worker()
		r.write(topology.Cursors)
		r.watch(topology.Monitors)
		r.watch(topology.Processes)
		r.look(topology.Checks, topology.EveryCheck)
		r.raw("$JS.API.CONSUMER.INFO." + r.names.Stream(topology.Checks) + ".*") // how long they wait
		r.publish(topology.EveryCheck, topology.EveryResult)
		r.publish(topology.ClockSubject("*"), topology.SetTimerSubject(topology.TimerBeat, "*")) // to set them again
	case CheckWorker:
		r.pull(topology.CheckConsumer(location))
		r.pull(topology.AdhocConsumer(location))
		r.pull(topology.CheckCallConsumer(location))
		r.worker()
		r.answers("check")
		r.look(topology.Ping, topology.EveryPing)
		r.publish(topology.EveryResult, topology.PingSubject("*", job.PingSince))
	case Evaluator:
		r.pull(topology.EvaluateConsumer())
		r.pull(topology.RecheckConsumer())
		r.worker()
		r.write(topology.States)
		r.watch(topology.States)
		r.keepOff(topology.NotifyConsumer())
		r.watch(topology.Monitors)
		r.look(topology.Checks, topology.EveryCheck)
		r.publish(topology.SetTimerSubject(topology.TimerRecheck, "*"), topology.EveryCheck)
	case Notifier:
		r.notifier(inbox)
	case MailWorker:
		for _, class := range job.MailClasses() {
			r.pull(topology.MailConsumer(class))
		}
		r.pull(topology.MailCallConsumer())
		r.worker()
		r.answers("mail")
		r.write(topology.Deliveries)
	case Viewer:
		r.views()
		r.ask(inbox)
	case Admin:
		r.everything()
	}
	return r.sorted()
}

// rights gathers permissions.
type rights struct {
	Permissions

	names topology.Names
}

// notifier allows to follow states, to keep the notification log, and to enqueue
// mails and checks for parents.
func (r *rights) notifier(inbox string) {
	r.pull(topology.NotifyConsumer())
	r.pull(topology.FlushConsumer())
	r.pull(topology.SweepConsumer())
	r.worker()
	r.watch(topology.States)
	r.keepTo(topology.NotifyConsumer())
	r.watch(topology.Monitors)
	r.watch(topology.Silences)
	r.write(topology.Notifications)
	r.watch(topology.Notifications)
	r.write(topology.Deliveries)
	r.publish(topology.SetTimerSubject(topology.TimerFlush, "*"), topology.SetTimerSubject(topology.TimerSweep, "*"),
		topology.EveryCheckCall, topology.MailSubject(job.MailAlert, "*"), topology.MailSubject(job.MailOperator, "*"))
	r.Subscribe = append(r.Subscribe, r.names.Subject(topology.ReplySubject(inbox), ">"))
}

func (r *rights) sorted() Permissions {
	for _, list := range []*[]string{&r.Publish, &r.Deny, &r.Subscribe} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return r.Permissions
}

func (r *rights) raw(subjects ...string) { r.Publish = append(r.Publish, subjects...) }

// publish allows the installation's subjects.
func (r *rights) publish(subjects ...string) {
	for _, subject := range subjects {
		r.raw(r.names.Subject(subject))
	}
}

func (r *rights) kv(b topology.Bucket) string { return r.names.Stream(b.Stream()) }

func (r *rights) keys(b topology.Bucket) string { return r.names.Key(b, ">") }

// pull allows to configure a consumer and to take its jobs.
func (r *rights) pull(consumer topology.Consumer) {
	stream := r.names.Stream(consumer.Stream)
	name := stream + "." + consumer.Name
	create := "$JS.API.CONSUMER.CREATE." + name
	if consumer.Filter != "" {
		create += "." + r.names.Subject(consumer.Filter)
	}
	r.raw(create, "$JS.API.STREAM.INFO."+stream, "$JS.API.CONSUMER.INFO."+name, "$JS.API.CONSUMER.MSG.NEXT."+name, "$JS.ACK."+name+".>")
}

// worker allows what each pool does in addition to its own work: count attempts,
// store dead letters, and notify the operators.
func (r *rights) worker() {
	r.write(topology.Attempts)
	r.publish(topology.EveryDeadLetter, topology.EveryNotice)
	r.present()
}

// present allows a process to keep a lease, and to answer status requests to this
// installation's processes or to all services.
func (r *rights) present() {
	r.write(topology.Processes)
	r.publish(topology.EveryStatus)
	r.Subscribe = append(r.Subscribe, r.names.Subject(topology.ProcessRequest))
	for _, verb := range []string{"PING", "INFO", "STATS"} {
		subject := "$SRV." + verb
		r.Subscribe = append(r.Subscribe, subject, subject+"."+r.names.Prefix, subject+"."+r.names.Prefix+".*")
	}
}

// ask allows to send status requests to all processes.
func (r *rights) ask(inbox string) {
	r.watch(topology.Processes)
	r.publish(topology.ProcessRequest)
	r.Subscribe = append(r.Subscribe, r.names.Subject(topology.StatusSubject(inbox), "*"))
}

// answers allows to store and send the outcomes for a kind of jobs.
func (r *rights) answers(kind string) {
	r.raw("$JS.API.STREAM.INFO."+r.kv(topology.Outcomes), r.names.Key(topology.Outcomes, kind+".>"))
	r.publish(topology.EveryReply)
}

// look allows to read the messages on a subject.
func (r *rights) look(stream topology.Stream, subjects string) {
	name := r.names.Stream(stream)
	r.raw("$JS.API.STREAM.INFO."+name, "$JS.API.DIRECT.GET."+name+"."+r.names.Subject(subjects))
}

func (r *rights) read(b topology.Bucket) {
	r.raw("$JS.API.STREAM.INFO."+r.kv(b), "$JS.API.DIRECT.GET."+r.kv(b)+"."+r.keys(b))
}

func (r *rights) write(b topology.Bucket) {
	r.read(b)
	r.raw(r.keys(b))
}

// watch allows to follow a bucket, which takes a consumer with any name; keepOff
// denies other roles' consumers.
func (r *rights) watch(b topology.Bucket) {
	stream := r.kv(b)
	r.read(b)
	r.raw("$JS.API.CONSUMER.CREATE."+stream+".*."+r.keys(b), "$JS.API.CONSUMER.DELETE."+stream+".*", "$JS.FC."+stream+".>")
}

// follow allows to read a stream as it grows.
func (r *rights) follow(stream topology.Stream) {
	name := r.names.Stream(stream)
	r.raw("$JS.API.STREAM.INFO."+name, "$JS.API.CONSUMER.CREATE."+name+".*", "$JS.API.CONSUMER.INFO."+name+".*",
		"$JS.API.CONSUMER.MSG.NEXT."+name+".*", "$JS.API.CONSUMER.DELETE."+name+".*")
}

// keepOff denies another role's consumer where a wildcard allows it.
func (r *rights) keepOff(consumer topology.Consumer) {
	for _, verb := range []string{"CREATE", "DELETE", "MSG.NEXT"} {
		subject := "$JS.API.CONSUMER." + verb + "." + r.names.Stream(consumer.Stream) + "." + consumer.Name
		r.Deny = append(r.Deny, subject, subject+".>")
	}
}

// keepTo denies to delete the role's own consumer, and to give it a filter, where a
// wildcard allows it.
func (r *rights) keepTo(consumer topology.Consumer) {
	name := r.names.Stream(consumer.Stream) + "." + consumer.Name
	r.Deny = append(r.Deny, "$JS.API.CONSUMER.DELETE."+name, "$JS.API.CONSUMER.CREATE."+name+".>")
}

func (r *rights) enqueue(inbox string) {
	r.publish(topology.EveryAdhoc, topology.EveryCall, topology.MailSubject(job.MailAdhoc, ">"))
	for _, kind := range []string{job.PingOK, job.PingStart, job.PingFail} {
		r.publish(topology.PingSubject("*", kind))
	}
	r.look(topology.Adhoc, topology.EveryAdhoc)
	r.look(topology.Call, topology.EveryCall)
	r.look(topology.Mail, topology.MailSubject(job.MailAdhoc, ">"))
	r.raw("$JS.API.STREAM.INFO." + r.names.Stream(topology.Checks)) // whether there is an installation
	r.read(topology.Outcomes)
	r.Subscribe = append(r.Subscribe, r.names.Subject(topology.ReplySubject(inbox), ">"))
}

// views allows to read definitions, states, results, outcomes, dead letters and
// queues.
func (r *rights) views() {
	r.watch(topology.Monitors)
	r.watch(topology.States)
	r.keepOff(topology.NotifyConsumer())
	r.follow(topology.Result)
	r.keepOff(topology.EvaluateConsumer())
	r.read(topology.Outcomes)
	r.look(topology.Ping, topology.EveryPing)
	r.watch(topology.Deliveries)
	r.watch(topology.Notifications)
	r.watch(topology.Silences)
	for _, stream := range []topology.Stream{topology.Tick, topology.Checks, topology.Adhoc, topology.Call, topology.Result, topology.Mail, topology.Dead, topology.Notice, topology.StateLog} {
		name := r.names.Stream(stream)
		r.raw("$JS.API.STREAM.INFO."+name, "$JS.API.CONSUMER.INFO."+name+".*")
	}
	for _, stream := range []topology.Stream{topology.Dead, topology.Notice} {
		r.raw("$JS.API.DIRECT.GET."+r.names.Stream(stream), "$JS.API.DIRECT.GET."+r.names.Stream(stream)+".>")
	}
}

// everything allows all requests about the installation's streams and buckets.
func (r *rights) everything() {
	var streams []string
	for _, config := range topology.Streams(r.names, 1) {
		streams = append(streams, config.Name)
	}
	for _, config := range topology.Buckets(r.names, 1) {
		streams = append(streams, "KV_"+config.Bucket)
		r.raw("$KV." + config.Bucket + ".>")
	}
	for _, name := range streams {
		r.raw("$JS.API.STREAM.*."+name, "$JS.API.STREAM.MSG.*."+name,
			"$JS.API.CONSUMER.*."+name, "$JS.API.CONSUMER.*."+name+".>", "$JS.API.CONSUMER.MSG.NEXT."+name+".>",
			"$JS.API.DIRECT.GET."+name, "$JS.API.DIRECT.GET."+name+".>", "$JS.ACK."+name+".>", "$JS.FC."+name+".>")
	}
	r.present()
	r.raw("$JS.API.INFO", "$JS.API.STREAM.NAMES", r.names.Prefix+".>")
	r.Subscribe = append(r.Subscribe, r.names.Prefix+".>")
}
