package topology

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
)

// Stream names a stream, without the prefix.
type Stream string

// The streams. [Streams] configures each, and says why.
const (
	Tick   Stream = "TICK"
	Checks Stream = "CHECK"
	Adhoc  Stream = "ADHOC"
	Result Stream = "RESULT"
	Mail   Stream = "MAIL"
	// Call holds the checks and mails whose callers wait, so that no other backlog
	// delays them.
	Call Stream = "CALL"
	Dead Stream = "DEAD"
	// Notice holds notices about the installation for its operators.
	Notice Stream = "NOTICE"
	// Ping holds the last heartbeat pings.
	Ping Stream = "PING"
	// Advisory holds the server's advisories about messages it gave up on, which
	// are lost unless a stream listens.
	Advisory Stream = "ADVISORY"
	// Timer holds messages with a due time, so that no process has to stay alive
	// until then.
	Timer Stream = "TIMER"
	// StateLog is the stream that backs the bucket [States]: its writes, in order.
	StateLog = Stream(kv + States)
)

// Limits at which publishers get an error.
const (
	maxAdhoc         = 100_000
	maxAdhocBytes    = 256 << 20
	maxCalls         = 10_000
	maxCallBytes     = 256 << 20
	maxMails         = 1_000_000
	maxMailBytes     = 4 << 30
	maxResultBytes   = 1 << 30
	maxResultAge     = 24 * time.Hour
	maxDead          = 1_000_000
	maxDeadBytes     = 4 << 30
	duplicatesWindow = 20 * time.Second // a second line only: ids cost 240 B each meanwhile
	advisoriesKept   = 7 * 24 * time.Hour
	noticesKept      = 30 * 24 * time.Hour
	maxNoticeBytes   = 256 << 20
	maxPing          = 16 << 10
	maxPingBytes     = 1 << 30
)

// MaxMessage is the largest message, in bytes, that any stream takes.
const MaxMessage = 8 << 20

// Streams lists the configurations for all streams except those behind buckets.
func Streams(names Names, replicas int) []jetstream.StreamConfig {
	stream := func(name Stream, subjects ...string) jetstream.StreamConfig {
		config := jetstream.StreamConfig{
			Name: names.Stream(name), Storage: jetstream.FileStorage, Replicas: replicas,
			Duplicates: duplicatesWindow, MaxMsgSize: MaxMessage, AllowDirect: true,
		}
		for _, subject := range subjects {
			config.Subjects = append(config.Subjects, names.Subject(subject))
		}
		return config
	}
	return []jetstream.StreamConfig{
		scheduleStream(stream(Tick, ClockSubject("*"), TickSubject("*"))),
		checkStream(stream(Checks, EveryCheck)),
		adhocStream(stream(Adhoc, EveryAdhoc)),
		callStream(stream(Call, EveryCall)),
		resultStream(stream(Result, EveryResult)),
		mailStream(stream(Mail, mailSubjects()...)),
		deadStream(stream(Dead, EveryDeadLetter)),
		noticeStream(stream(Notice, EveryNotice)),
		scheduleStream(stream(Timer, SetTimerSubject("*", "*"), everyTimer)),
		pingStream(stream(Ping, everyPing)),
		advisoryStream(stream(Advisory), names),
	}
}

// scheduleStream holds schedules, and the newest message that each has fired. An
// older tick is worth nothing, since the next one covers all the time since the
// shard's cursor; a timer is moved by being published again.
func scheduleStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.WorkQueuePolicy
	config.AllowMsgSchedules = true
	config.AllowMsgTTL = true
	config.MaxMsgsPerSubject = 1
	config.Discard = jetstream.DiscardOld
	return config
}

// checkStream holds at most one outstanding check per monitor, queued or
// running. It has no MaxMsgs: the monitors bound it, and on three
// replicas the combination walks every subject at each publish.
func checkStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	return onePerSubject(config)
}

// adhocStream is bounded, so that a publisher with too many jobs gets an error.
func adhocStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.MaxMsgs, config.MaxBytes = maxAdhoc, maxAdhocBytes
	return config
}

// callStream is shorter: an error serves a caller better than a wait behind ten
// thousand other jobs.
func callStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.MaxMsgs, config.MaxBytes = maxCalls, maxCallBytes
	return config
}

// noticeStream keeps notices for readers; the log has them too, so the oldest
// may go.
func noticeStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.LimitsPolicy
	config.MaxAge, config.MaxBytes = noticesKept, maxNoticeBytes
	return config
}

// pingStream keeps the last ping for each kind and heartbeat; older ones add
// nothing.
func pingStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention, config.Discard = jetstream.LimitsPolicy, jetstream.DiscardOld
	config.MaxMsgsPerSubject, config.MaxMsgSize, config.MaxBytes = 1, maxPing, maxPingBytes
	return config
}

// resultStream keeps results for a day; evaluators follow it.
func resultStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.LimitsPolicy
	config.MaxAge, config.MaxBytes = maxResultAge, maxResultBytes
	return config
}

// mailSubjects has a filter for each class, so that a mail in a class without
// a sender is refused, not kept.
func mailSubjects() []string {
	var subjects []string
	for _, class := range job.MailClasses() {
		subjects = append(subjects, MailSubject(class, ">"))
	}
	return subjects
}

// mailStream holds one job per mail; the id in the subject refuses a duplicate
// as long as the first one is outstanding.
func mailStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.MaxMsgs, config.MaxBytes = maxMails, maxMailBytes
	return config
}

// deadStream keeps dead letters until they are dropped.
func deadStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.Retention = jetstream.LimitsPolicy
	config.MaxMsgs, config.MaxBytes = maxDead, maxDeadBytes
	return config
}

// advisoryStream listens to advisories about our own streams only, since
// installations that share an account may not listen to the same subjects.
func advisoryStream(config jetstream.StreamConfig, names Names) jetstream.StreamConfig {
	for _, queue := range []Stream{Tick, Checks, Adhoc, Call, Result, Mail, Timer, Notice, Dead, StateLog} {
		for _, kind := range []string{"MAX_DELIVERIES", "MSG_TERMINATED"} {
			config.Subjects = append(config.Subjects, "$JS.EVENT.ADVISORY.CONSUMER."+kind+"."+names.Stream(queue)+".*")
		}
	}
	config.Retention = jetstream.WorkQueuePolicy
	config.MaxAge = advisoriesKept
	return config
}

func onePerSubject(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.WorkQueuePolicy
	config.MaxMsgsPerSubject = 1
	config.Discard = jetstream.DiscardNew
	config.DiscardNewPerSubject = true
	return config
}
