package topology

import (
	"strconv"
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

// MaxMessage is the largest message, in bytes, that any stream takes.
const MaxMessage = 8 << 20

// Streams lists the configurations for all streams except those behind buckets.
func Streams(names Names, replicas int) []jetstream.StreamConfig {
	// Message ids are a second line of defence; meanwhile each costs 240 bytes.
	stream := func(name Stream, subjects ...string) jetstream.StreamConfig {
		config := jetstream.StreamConfig{
			Name: names.Stream(name), Storage: jetstream.FileStorage, Replicas: replicas,
			Duplicates: 20 * time.Second, MaxMsgSize: MaxMessage, AllowDirect: true,
		}
		for _, subject := range subjects {
			config.Subjects = append(config.Subjects, names.Subject(subject))
		}
		return config
	}
	const day = 24 * time.Hour
	return []jetstream.StreamConfig{
		schedules(stream(Tick, ClockSubject("*"), TickSubject("*"))),
		// At most one check per monitor is outstanding. Without MaxMsgs, the number of
		// monitors bounds the stream; with it, each publish on three replicas would
		// walk every subject.
		jobs(stream(Checks, EveryCheck), 0, 0),
		// A publisher with too many jobs gets an error.
		jobs(stream(Adhoc, EveryAdhoc), 100_000, 256<<20),
		// An error serves a caller better than a wait behind ten thousand other jobs.
		jobs(stream(Call, EveryCall), 10_000, 256<<20),
		// Evaluators follow the results; readers find those of a day.
		history(stream(Result, EveryResult), day, 1<<30),
		// The id in the subject refuses a duplicate as long as the first mail is
		// outstanding.
		jobs(stream(Mail, mailSubjects()...), 1_000_000, 4<<30),
		deadStream(stream(Dead, EveryDeadLetter)),
		// The log has the notices too, so the oldest may go.
		history(stream(Notice, EveryNotice), 30*day, 256<<20),
		schedules(stream(Timer, SetTimerSubject("*", "*"), everyTimer)),
		pingStream(stream(Ping, everyPing)),
		advisoryStream(stream(Advisory), names),
	}
}

// jobs makes a work queue with at most one job per subject, queued or running.
// Beyond the limits, publishers get an error.
func jobs(config jetstream.StreamConfig, most, bytes int64) jetstream.StreamConfig {
	config.Retention = jetstream.WorkQueuePolicy
	config.MaxMsgsPerSubject = 1
	config.Discard, config.DiscardNewPerSubject = jetstream.DiscardNew, true
	config.MaxMsgs, config.MaxBytes = most, bytes
	return config
}

// history makes a log for any number of readers.
func history(config jetstream.StreamConfig, age time.Duration, bytes int64) jetstream.StreamConfig {
	config.Retention = jetstream.LimitsPolicy
	config.MaxAge, config.MaxBytes = age, bytes
	return config
}

// schedules makes a stream that holds schedules, and the newest message that each has fired. An
// older tick is worth nothing, since the next one covers all the time since the
// shard's cursor; a timer is moved by being published again.
func schedules(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.WorkQueuePolicy
	config.AllowMsgSchedules, config.AllowMsgTTL = true, true
	config.MaxMsgsPerSubject = 1
	config.Discard = jetstream.DiscardOld
	return config
}

// pingStream keeps the last ping for each kind and heartbeat; older ones add
// nothing.
func pingStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention, config.Discard = jetstream.LimitsPolicy, jetstream.DiscardOld
	config.MaxMsgsPerSubject, config.MaxMsgSize, config.MaxBytes = 1, 16<<10, 1<<30
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

// deadStream keeps dead letters until they are dropped.
func deadStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = jobs(config, 1_000_000, 4<<30)
	config.Retention = jetstream.LimitsPolicy
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
	config.MaxAge = 7 * 24 * time.Hour
	return config
}

// Layout is the version for everything in this package. It goes up with each
// change, so that a process can recognise what a newer program has configured
// and leave it alone: during an upgrade both are started again and again, and
// the older one must not undo the newer one's work.
const Layout = 1

// layoutKey is the layout's key in metadata.
const layoutKey = "vedette-layout"

// Metadata says which layout a stream, bucket or consumer was configured by.
func Metadata() map[string]string { return map[string]string{layoutKey: strconv.Itoa(Layout)} }

// LayoutOf is the layout in metadata, 0 when there is none.
func LayoutOf(metadata map[string]string) int {
	layout, _ := strconv.Atoi(metadata[layoutKey])
	return layout
}

// IsNewer reports whether a newer program wrote the metadata.
func IsNewer(metadata map[string]string) bool { return LayoutOf(metadata) > Layout }
