package topology

import (
	"strconv"
	"strings"

	"vedette/pipeline/job"
)

// Subjects have no prefix in this file; [Names.Subject] adds it. A token may be
// the wildcard "*" or ">", which makes the subject a filter.

// Filters for all messages in a stream.
const (
	EveryCheck      = "check.>"
	EveryAdhoc      = "adhoc.>"
	EveryCall       = "call.>"
	EveryCheckCall  = "call.check.>"
	EveryResult     = "result.*"
	EveryDeadLetter = "dead.>"
	EveryNotice     = "notice.*"
	EveryPing       = "ping.>"
	everyPing       = "ping.*.*"
	everyTimer      = "timer.due.>"
)

// Subjects for requests to processes, and for answers.
const (
	// ProcessRequest asks all processes of the installation for their status.
	ProcessRequest = "ps"
	EveryStatus    = "status.>"
	EveryReply     = "reply.>"
)

// ReplySubject is where the answer to a call arrives.
func ReplySubject(address string) string { return "reply." + address }

// StatusSubject is where the answers to a [ProcessRequest] arrive.
func StatusSubject(address string) string { return "status." + address }

// ClockSubject holds the schedule that makes a shard tick.
func ClockSubject(shard string) string { return "tick.clock." + shard }

// TickSubject is where a shard's ticks arrive.
func TickSubject(shard string) string { return "tick.due." + shard }

// CutTick returns a tick's shard.
func CutTick(subject string) string { return strings.TrimPrefix(subject, TickSubject("")) }

// CheckSubject is for a monitor's scheduled check.
func CheckSubject(location, monitor string) string { return "check." + location + "." + monitor }

// AdhocSubject is for an ad-hoc check.
func AdhocSubject(location, id string) string { return "adhoc." + location + "." + id }

// MailSubject is for a mail; class is one of [job.MailClasses].
func MailSubject(class, id string) string { return "mail." + class + "." + id }

// CallCheckSubject is for a check whose caller waits.
func CallCheckSubject(location, id string) string { return "call.check." + location + "." + id }

// CallMailSubject is for a mail whose caller waits.
func CallMailSubject(id string) string { return "call.mail." + id }

// NoticeSubject is for notices.
func NoticeSubject(kind job.NoticeKind) string { return "notice." + string(kind) }

// PingSubject is for a heartbeat's pings, by its token.
func PingSubject(token, kind string) string { return "ping." + token + "." + kind }

// ListeningSubject holds the mark of the processes that take pings. No heartbeat has
// so short a token.
func ListeningSubject() string { return PingSubject("listening", "mark") }

// Timer kinds.
const (
	TimerFlush   = "flush"
	TimerSweep   = "sweep"
	TimerRecheck = "recheck"
	TimerDigest  = "digest"
	// TimerBeat is a repeating timer without a handler: see Pipeline.RestartClocks.
	TimerBeat = "beat"
)

// TimerSubject is where a timer fires.
func TimerSubject(kind, id string) string { return "timer.due." + kind + "." + id }

// SetTimerSubject holds a timer's schedule.
func SetTimerSubject(kind, id string) string { return "timer.at." + kind + "." + id }

// ResultSubject is for results. Partitions spread them for readers that want
// only a part.
func ResultSubject(partition int) string { return "result." + strconv.Itoa(partition) }

// DeadSubject is for a job's dead letter. It has the job's stream and sequence, so
// that a dead letter cannot be stored twice.
func DeadSubject(stream Stream, consumer string, sequence uint64) string {
	return "dead." + string(stream) + "." + consumer + "." + strconv.FormatUint(sequence, 10)
}

// StreamOf is a subject's stream: each first token has a stream with its name.
func StreamOf(subject string) Stream {
	first, _, _ := strings.Cut(subject, ".")
	return Stream(strings.ToUpper(first))
}

// IsJob reports whether jobs with the subject may be published by programs and
// replayed from dead letters.
func IsJob(subject string) bool {
	first, _, found := strings.Cut(subject, ".")
	switch first {
	case "check", "adhoc", "call", "mail", "result":
		return found
	default:
		return false
	}
}

// InMailClass reports whether a job is a mail in a class.
func InMailClass(subject, class string) bool {
	return strings.HasPrefix(subject, MailSubject(class, ""))
}

// IsCall reports whether a job's caller waits for its outcome.
func IsCall(subject string) bool { return StreamOf(subject) == Call }

// IsCheckCall reports whether a job is a check whose caller waits.
func IsCheckCall(subject string) bool { return strings.HasPrefix(subject, "call.check.") }
