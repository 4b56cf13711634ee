package pipeline

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vedette/pipeline/job"
)

// Stream names one of the streams, without the installation's prefix.
type Stream string

// The streams. [Topology] says what each is like, and why.
const (
	Tick   Stream = "TICK"
	Checks Stream = "CHECK"
	Adhoc  Stream = "ADHOC"
	Result Stream = "RESULT"
	Mail   Stream = "MAIL"
	// Call holds the checks and mails that somebody waits for, so that no
	// backlog of others delays them.
	Call Stream = "CALL"
	Dead Stream = "DEAD"
	// Notice keeps what operators should know of the installation itself.
	Notice Stream = "NOTICE"
	// Ping keeps what jobs said of themselves last.
	Ping Stream = "PING"
	// Advisory keeps the server's own word of messages that it gave up on,
	// which is lost unless a stream listens.
	Advisory Stream = "ADVISORY"
	// Timer holds messages that are due at a time of their own, so that no
	// process has to stay alive until then.
	Timer Stream = "TIMER"
	// StateLog is the stream under the bucket [States]: its writes, in order.
	StateLog Stream = "KV_STATE"
)

// BucketName names one of the key-value buckets, without the prefix.
type BucketName string

// The buckets.
const (
	Monitors   BucketName = "MONITOR"
	States     BucketName = "STATE"
	Deliveries BucketName = "DELIVERY"
	Cursors    BucketName = "CURSOR"
	Attempts   BucketName = "ATTEMPT"
	Outcomes   BucketName = "OUTCOME"
	// Notifications is what each address was told, and what is on its way: see
	// [job.NotificationLog] and [job.NotificationGroup].
	Notifications BucketName = "NOTIFICATION"
	// Digests are what operators have yet to be told.
	Digests BucketName = "DIGEST"
	// Processes holds the leases of the processes that live: see [job.Process].
	// They do not expire, since somebody has to notice those that are not renewed.
	Processes BucketName = "PROCESS"
	// Silences are people's word that they need no mail: see [job.Silence].
	Silences BucketName = "SILENCE"
)

// Names gives everything in one installation its name. Several installations
// may share a NATS account when their prefixes differ.
type Names struct {
	// Prefix is the first token of each subject, lower case.
	Prefix string
}

// Subject returns the subject of the given tokens.
func (n Names) Subject(tokens ...string) string {
	return n.Prefix + "." + strings.Join(tokens, ".")
}

// Stream returns the server's name of a stream.
func (n Names) Stream(s Stream) string {
	if bucket, ok := strings.CutPrefix(string(s), "KV_"); ok {
		return "KV_" + n.Bucket(BucketName(bucket))
	}
	return strings.ToUpper(n.Prefix) + "_" + string(s)
}

// Bucket returns the server's name of a bucket.
func (n Names) Bucket(b BucketName) string { return strings.ToUpper(n.Prefix) + "_" + string(b) }

// CheckSubject is where the scheduler puts the check of a monitor.
func CheckSubject(location, monitor string) string { return "check." + location + "." + monitor }

// AdhocSubject is where people and programs put checks of their own.
func AdhocSubject(location, id string) string { return "adhoc." + location + "." + id }

// MailSubject is where mails are ordered; class is one of [job.MailClasses].
func MailSubject(class, id string) string { return "mail." + class + "." + id }

// CallCheckSubject is where a check is put that its caller waits for.
func CallCheckSubject(location, id string) string { return "call.check." + location + "." + id }

// CallMailSubject is where a mail is put that its caller waits for.
func CallMailSubject(id string) string { return "call.mail." + id }

// NoticeSubject is where notices of a kind go.
func NoticeSubject(kind job.NoticeKind) string { return "notice." + string(kind) }

// PingSubject is where a job says something of itself, under its token.
func PingSubject(token, kind string) string { return "ping." + token + "." + kind }

// TimerSubject is where the timer of an id fires.
func TimerSubject(what, id string) string { return "timer.due." + what + "." + id }

// ResultSubject is where results go; partitions spread them for readers that
// want only a part.
func ResultSubject(partition int) string { return "result." + strconv.Itoa(partition) }

// streamOf is the stream of a subject without prefix: each first token belongs
// to one, which has its name.
func streamOf(subject string) Stream {
	first, _, _ := strings.Cut(subject, ".")
	return Stream(strings.ToUpper(first))
}

// deadSubject is where the dead letter of a job goes.
func deadSubject(stream Stream, consumer string, sequence uint64) string {
	return "dead." + string(stream) + "." + consumer + "." + strconv.FormatUint(sequence, 10)
}

// Topology is every stream and bucket of an installation, as data.
type Topology struct {
	Streams []jetstream.StreamConfig
	Buckets []jetstream.KeyValueConfig
}

// Limits of the streams. A publisher that meets one is told so.
const (
	maxRequests      = 100_000
	maxRequestBytes  = 256 << 20
	maxCalls         = 10_000
	maxCallBytes     = 256 << 20
	maxMails         = 1_000_000
	maxMailBytes     = 4 << 30
	maxResultBytes   = 1 << 30
	maxResultAge     = 24 * time.Hour
	maxDead          = 1_000_000
	maxDeadBytes     = 4 << 30
	duplicatesWindow = 20 * time.Second // a second line only: ids cost 240 B each while it lasts
	stateHistory     = 16
	sentKept         = 48 * time.Hour
	attemptsKept     = 7 * 24 * time.Hour
	outcomesKept     = 48 * time.Hour
	advisoriesKept   = 7 * 24 * time.Hour
	noticesKept      = 30 * 24 * time.Hour
	maxNoticeBytes   = 256 << 20
	maxPing          = 16 << 10
	maxPingBytes     = 1 << 30
)

// MaxMessage is the largest message, in bytes, that any stream takes.
const MaxMessage = 8 << 20

// Topology lists what an installation is made of, each stream with so many
// replicas.
func (n Names) Topology(replicas int) Topology { return topology(n, replicas) }

// topology lists what an installation is made of.
func topology(names Names, replicas int) Topology {
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
	bucket := func(name BucketName, history uint8, ttl time.Duration) jetstream.KeyValueConfig {
		return jetstream.KeyValueConfig{
			Bucket: names.Bucket(name), Storage: jetstream.FileStorage, Replicas: replicas,
			History: history, TTL: ttl,
		}
	}
	return Topology{
		Streams: []jetstream.StreamConfig{
			scheduleStream(stream(Tick, "tick.clock.*", "tick.due.*")),
			checkStream(stream(Checks, "check.>")),
			requestStream(stream(Adhoc, "adhoc.>")),
			callStream(stream(Call, "call.>")),
			resultStream(stream(Result, "result.*")),
			mailStream(stream(Mail, mailSubjects()...)),
			deadStream(stream(Dead, "dead.>")),
			noticeStream(stream(Notice, "notice.*")),
			scheduleStream(stream(Timer, "timer.at.*.*", "timer.due.>")),
			pingStream(stream(Ping, "ping.*.*")),
			advisoryStream(stream(Advisory), names),
		},
		Buckets: []jetstream.KeyValueConfig{
			bucket(Monitors, 1, 0),
			bucket(States, stateHistory, 0),
			bucket(Deliveries, 1, sentKept),
			bucket(Cursors, 1, 0),
			bucket(Attempts, 1, attemptsKept),
			bucket(Outcomes, 1, outcomesKept),
			bucket(Notifications, 1, 0),
			bucket(Digests, 1, 0),
			bucket(Silences, 1, 0),
			bucket(Processes, 1, 0),
		},
	}
}

// scheduleStream holds schedules, and the newest message that each has fired.
// Of the clock an older tick that nobody took is worth nothing, since the next
// one covers all the time since the shard's cursor; a timer is moved by being
// published again.
func scheduleStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.WorkQueuePolicy
	config.AllowMsgSchedules = true
	config.AllowMsgTTL = true
	config.MaxMsgsPerSubject = 1
	config.Discard = jetstream.DiscardOld
	return config
}

// checkStream holds at most one outstanding check a monitor, queued or
// running. It has no MaxMsgs: the number of monitors bounds it, and on three
// replicas the combination walks every subject at each publish.
func checkStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	return onePerSubject(config)
}

// requestStream is bounded, so that the publisher of too many is told.
func requestStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.MaxMsgs, config.MaxBytes = maxRequests, maxRequestBytes
	return config
}

// callStream is shorter: a caller who would have to wait behind ten thousand
// others had better know.
func callStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.MaxMsgs, config.MaxBytes = maxCalls, maxCallBytes
	return config
}

// noticeStream keeps notices for whoever wants to read them; the log has them
// too, so the oldest may go.
func noticeStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.LimitsPolicy
	config.MaxAge, config.MaxBytes = noticesKept, maxNoticeBytes
	return config
}

// pingStream keeps the last ping of each kind and heartbeat: what was said
// before tells nothing more.
func pingStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention, config.Discard = jetstream.LimitsPolicy, jetstream.DiscardOld
	config.MaxMsgsPerSubject, config.MaxMsgSize, config.MaxBytes = 1, maxPing, maxPingBytes
	return config
}

// resultStream keeps the results of a day for whoever wants to read them;
// evaluators follow it.
func resultStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config.Retention = jetstream.LimitsPolicy
	config.MaxAge, config.MaxBytes = maxResultAge, maxResultBytes
	return config
}

// mailSubjects are those of the classes alone: what is ordered in a class that
// nobody sends is refused, not kept.
func mailSubjects() []string {
	var subjects []string
	for _, class := range job.MailClasses() {
		subjects = append(subjects, "mail."+class+".>")
	}
	return subjects
}

// mailStream holds one job a mail; the id in the subject makes a second order
// of the same mail a refusal for as long as the first lives.
func mailStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.MaxMsgs, config.MaxBytes = maxMails, maxMailBytes
	return config
}

// deadStream keeps dead letters until somebody drops them; moving one there
// twice is impossible, since its subject names the message it was.
func deadStream(config jetstream.StreamConfig) jetstream.StreamConfig {
	config = onePerSubject(config)
	config.Retention = jetstream.LimitsPolicy
	config.MaxMsgs, config.MaxBytes = maxDead, maxDeadBytes
	return config
}

// advisoryStream listens to the advisories about our work queues only, since
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

// Keys of the bucket [Monitors], which holds recipients and settings too: they
// change with the same file, and whoever needs one needs the other.
const (
	monitorKey   = "monitor."
	recipientKey = "recipient."
	// SettingsKey is the key of the installation's [job.Settings].
	SettingsKey = "settings"
)

// BesideMonitors are the filters of all keys that hold no monitor.
func BesideMonitors() []string { return []string{recipientKey + ">", SettingsKey} }

// MonitorKey is the key of a monitor's definition.
func MonitorKey(name string) string { return monitorKey + name }

// RecipientKey is the key of a recipient.
func RecipientKey(name string) string { return recipientKey + name }

// CutMonitorKey returns the monitor's name that a key holds, and whether it
// holds one.
func CutMonitorKey(key string) (string, bool) { return strings.CutPrefix(key, monitorKey) }

// CutRecipientKey returns the recipient's name that a key holds, and whether
// it holds one.
func CutRecipientKey(key string) (string, bool) { return strings.CutPrefix(key, recipientKey) }

// validate checks what a configuration can get wrong.
func (n Names) validate() error {
	if !job.ValidName(n.Prefix) || strings.Contains(n.Prefix, ".") || strings.ToLower(n.Prefix) != n.Prefix {
		return fmt.Errorf("check prefix: found %q, expected lower-case letters, digits, _ and -", n.Prefix)
	}
	return nil
}
