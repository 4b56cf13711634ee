package pipeline

import (
	"slices"

	"vedette/pipeline/job"
)

// Role is what a program may do, on a server that others use too. Each is as
// little as its work needs.
type Role string

// The roles.
const (
	// RolePublisher orders checks and mails, reads what became of them, and sends
	// pings.
	RolePublisher Role = "publisher"
	// RoleScheduler turns ticks into checks.
	RoleScheduler Role = "scheduler"
	// RoleCheckWorker makes the checks of one location.
	RoleCheckWorker Role = "check_worker"
	// RoleEvaluator judges results, and orders checks out of turn.
	RoleEvaluator Role = "evaluator"
	// RoleNotifier decides who is told of what changed, and orders the mails.
	RoleNotifier Role = "notifier"
	// RoleMailWorker sends mails.
	RoleMailWorker Role = "mail_worker"
	// RoleViewer reads what a page shows, definitions with their headers among it.
	RoleViewer Role = "viewer"
	// RoleAdmin installs, applies files, handles dead letters and tells the
	// operators: everything in this installation, and nothing outside of it.
	RoleAdmin Role = "admin"
)

// Roles lists all roles.
func Roles() []Role {
	return []Role{RolePublisher, RoleScheduler, RoleCheckWorker, RoleEvaluator, RoleNotifier, RoleMailWorker, RoleViewer, RoleAdmin}
}

// Permissions are subjects that a user of the server may publish and
// subscribe to, but for those that are denied. A user without more may
// nothing else.
type Permissions struct {
	Publish, Deny, Subscribe []string
}

// Permissions returns the rights of a role. Its programs must connect with
// [Config.Inbox] set to inbox, so that none reads what is sent to another;
// location is that of a check worker.
//
// Two things the server does not check (both tried with 2.15): where a schedule
// sends its message, so no stream with schedules holds anything of value, and
// the reply subject of a publish, to which the server sends its answer, so what
// is no job must end as a dead letter and do no harm.
func (n Names) Permissions(role Role, inbox, location string) Permissions {
	r := rights{names: n}
	r.Subscribe = []string{"_INBOX." + inbox + ".>"}
	switch role {
	case RolePublisher:
		r.orders(inbox)
	case RoleScheduler:
		r.pull(Tick, ConsumerScheduler, "tick.due.*")
		r.worker()
		r.write(Cursors)
		r.watch(Monitors)
		r.watch(Processes)
		r.look(Checks, "check.>")
		r.raw("$JS.API.CONSUMER.INFO." + r.names.Stream(Checks) + ".*") // how long they wait
		r.publish("check.>", "result.*")
	case RoleCheckWorker:
		r.pull(Checks, ConsumerChecks(location), "check."+location+".>")
		r.pull(Adhoc, ConsumerAdhoc(location), "adhoc."+location+".>")
		r.pull(Call, ConsumerCheckCalls(location), "call.check."+location+".>")
		r.worker()
		r.answers("check")
		r.look(Ping, "ping.>")
		r.publish("result.*", "ping.*."+job.PingSince)
	case RoleEvaluator:
		r.pull(Result, ConsumerEvaluate, "")
		r.pull(Timer, ConsumerRecheck, "timer.due.recheck.*")
		r.worker()
		r.write(States)
		r.watch(States)
		r.keepOff(StateLog, ConsumerNotify)
		r.watch(Monitors)
		r.look(Checks, "check.>")
		r.publish("timer.at.recheck.*", "check.>")
	case RoleNotifier:
		r.notifier(inbox)
	case RoleMailWorker:
		for _, class := range job.MailClasses() {
			r.pull(Mail, ConsumerMails(class), "mail."+class+".>")
		}
		r.pull(Call, ConsumerMailCalls, "call.mail.>")
		r.worker()
		r.answers("mail")
		r.write(Deliveries)
	case RoleViewer:
		r.views()
		r.ask(inbox)
	case RoleAdmin:
		r.everything()
	}
	return r.sorted()
}

// rights gathers permissions.
type rights struct {
	Permissions

	names Names
}

// notifier allows to take in what happened, to keep the ledger, and to order the
// mails and the checks of what others depend on.
func (r *rights) notifier(inbox string) {
	r.pull(StateLog, ConsumerNotify, "")
	r.pull(Timer, ConsumerFlush, "timer.due.mailing.*")
	r.pull(Timer, ConsumerSweep, "timer.due.sweep.*")
	r.worker()
	r.read(States)
	r.watch(Monitors)
	r.watch(Silences)
	r.write(Notifications)
	r.watch(Notifications)
	r.write(Deliveries)
	r.publish("timer.at.mailing.*", "timer.at.sweep.*", "call.check.>", "mail.alert.*", "mail.operator.*")
	r.Subscribe = append(r.Subscribe, r.names.Subject("reply", inbox, ">"))
}

func (r *rights) sorted() Permissions {
	for _, list := range []*[]string{&r.Publish, &r.Deny, &r.Subscribe} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return r.Permissions
}

func (r *rights) raw(subjects ...string) { r.Publish = append(r.Publish, subjects...) }

// publish allows subjects of the installation.
func (r *rights) publish(subjects ...string) {
	for _, subject := range subjects {
		r.raw(r.names.Subject(subject))
	}
}

func (r *rights) kv(b BucketName) string { return r.names.Stream(Stream("KV_" + b)) }

func (r *rights) keys(b BucketName) string { return "$KV." + r.names.Bucket(b) + ".>" }

// pull allows to make one consumer as it should be, and to take its jobs.
func (r *rights) pull(stream Stream, consumer, filter string) {
	name := r.names.Stream(stream)
	create := "$JS.API.CONSUMER.CREATE." + name + "." + consumer
	if filter != "" {
		create += "." + r.names.Subject(filter)
	}
	r.raw(create,
		"$JS.API.STREAM.INFO."+name,
		"$JS.API.CONSUMER.INFO."+name+"."+consumer,
		"$JS.API.CONSUMER.MSG.NEXT."+name+"."+consumer,
		"$JS.ACK."+name+"."+consumer+".>")
}

// worker allows what every pool does beside its own work: count attempts, bury
// what is dead, and tell the operators.
func (r *rights) worker() {
	r.write(Attempts)
	r.publish("dead.>", "notice.*")
	r.present()
}

// present allows a process to make itself known, and to answer what it does:
// to whoever asks for this installation's processes, or for all services.
func (r *rights) present() {
	r.write(Processes)
	r.publish("status.>")
	r.Subscribe = append(r.Subscribe, r.names.Subject(processVerb))
	for _, verb := range []string{"PING", "INFO", "STATS"} {
		subject := "$SRV." + verb
		r.Subscribe = append(r.Subscribe, subject, subject+"."+r.names.Prefix, subject+"."+r.names.Prefix+".*")
	}
}

// ask allows to ask the processes what they do.
func (r *rights) ask(inbox string) {
	r.watch(Processes)
	r.publish(processVerb)
	r.Subscribe = append(r.Subscribe, r.names.Subject("status", inbox, "*"))
}

// answers allows to tell what became of orders of a kind.
func (r *rights) answers(kind string) {
	r.raw("$JS.API.STREAM.INFO."+r.kv(Outcomes), "$KV."+r.names.Bucket(Outcomes)+"."+kind+".>")
	r.publish("reply.>")
}

// look allows to see what occupies a subject.
func (r *rights) look(stream Stream, subjects string) {
	name := r.names.Stream(stream)
	r.raw("$JS.API.STREAM.INFO."+name, "$JS.API.DIRECT.GET."+name+"."+r.names.Subject(subjects))
}

func (r *rights) read(b BucketName) {
	r.raw("$JS.API.STREAM.INFO."+r.kv(b), "$JS.API.DIRECT.GET."+r.kv(b)+"."+r.keys(b))
}

func (r *rights) write(b BucketName) {
	r.read(b)
	r.raw(r.keys(b))
}

// watch allows to follow a bucket, which takes a consumer of any name; those of
// the pools are denied to whoever does not serve them.
func (r *rights) watch(b BucketName) {
	stream := r.kv(b)
	r.read(b)
	r.raw("$JS.API.CONSUMER.CREATE."+stream+".*."+r.keys(b), "$JS.API.CONSUMER.DELETE."+stream+".*", "$JS.FC."+stream+".>")
}

// follow allows to look at a stream as it grows.
func (r *rights) follow(stream Stream) {
	name := r.names.Stream(stream)
	r.raw("$JS.API.STREAM.INFO."+name, "$JS.API.CONSUMER.CREATE."+name+".*", "$JS.API.CONSUMER.INFO."+name+".*",
		"$JS.API.CONSUMER.MSG.NEXT."+name+".*", "$JS.API.CONSUMER.DELETE."+name+".*")
}

// keepOff denies another role's consumer where a wildcard allows it.
func (r *rights) keepOff(stream Stream, consumer string) {
	name := r.names.Stream(stream)
	for _, verb := range []string{"CREATE", "DELETE", "MSG.NEXT"} {
		subject := "$JS.API.CONSUMER." + verb + "." + name + "." + consumer
		r.Deny = append(r.Deny, subject, subject+".>")
	}
}

func (r *rights) orders(inbox string) {
	r.publish("adhoc.>", "call.>", "mail.adhoc.>", "ping.*."+job.PingOK, "ping.*."+job.PingStart, "ping.*."+job.PingFail)
	r.look(Adhoc, "adhoc.>")
	r.look(Call, "call.>")
	r.look(Mail, "mail.adhoc.>")
	r.raw("$JS.API.STREAM.INFO." + r.names.Stream(Checks)) // whether there is an installation
	r.read(Outcomes)
	r.Subscribe = append(r.Subscribe, r.names.Subject("reply", inbox, ">"))
}

// views allows to look: at definitions, states, results, answers, queues and
// dead letters.
func (r *rights) views() {
	r.watch(Monitors)
	r.watch(States)
	r.keepOff(StateLog, ConsumerNotify)
	r.follow(Result)
	r.keepOff(Result, ConsumerEvaluate)
	r.read(Outcomes)
	r.watch(Deliveries)
	r.watch(Notifications)
	r.watch(Silences)
	for _, stream := range []Stream{Tick, Checks, Adhoc, Call, Result, Mail, Dead, Notice, StateLog} {
		name := r.names.Stream(stream)
		r.raw("$JS.API.STREAM.INFO."+name, "$JS.API.CONSUMER.INFO."+name+".*")
	}
	for _, stream := range []Stream{Dead, Notice} {
		r.raw("$JS.API.DIRECT.GET."+r.names.Stream(stream), "$JS.API.DIRECT.GET."+r.names.Stream(stream)+".>")
	}
}

// everything allows all verbs on the installation's own streams and buckets.
func (r *rights) everything() {
	top := topology(r.names, 1)
	var streams []string
	for _, config := range top.Streams {
		streams = append(streams, config.Name)
	}
	for _, config := range top.Buckets {
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
