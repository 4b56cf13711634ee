package topology

import (
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bucket names a key-value bucket, without the prefix.
type Bucket string

// The buckets.
const (
	Monitors   Bucket = "MONITOR"
	States     Bucket = "STATE"
	Deliveries Bucket = "DELIVERY"
	Cursors    Bucket = "CURSOR"
	Attempts   Bucket = "ATTEMPT"
	Outcomes   Bucket = "OUTCOME"
	// Notifications has what addresses were and will be notified about: see
	// [job.NotificationLog] and [job.NotificationGroup].
	Notifications Bucket = "NOTIFICATION"
	// Digests has pending notices for the operators.
	Digests Bucket = "DIGEST"
	// Processes holds the leases of running processes: see [job.Process]. Leases
	// do not expire, because a process has to notice each one that is not renewed.
	Processes Bucket = "PROCESS"
	// Silences mute alerts: see [job.Silence].
	Silences Bucket = "SILENCE"
)

// Stream is the stream that backs the bucket.
func (b Bucket) Stream() Stream { return Stream(kv + b) }

const (
	stateHistory   = 16
	deliveriesKept = 48 * time.Hour
	attemptsKept   = 7 * 24 * time.Hour
	outcomesKept   = 48 * time.Hour
)

// Buckets lists the configurations for all buckets.
func Buckets(names Names, replicas int) []jetstream.KeyValueConfig {
	bucket := func(name Bucket, history uint8, ttl time.Duration) jetstream.KeyValueConfig {
		return jetstream.KeyValueConfig{
			Bucket: names.Bucket(name), Storage: jetstream.FileStorage, Replicas: replicas,
			History: history, TTL: ttl,
		}
	}
	return []jetstream.KeyValueConfig{
		bucket(Monitors, 1, 0),
		bucket(States, stateHistory, 0),
		bucket(Deliveries, 1, deliveriesKept),
		bucket(Cursors, 1, 0),
		bucket(Attempts, 1, attemptsKept),
		bucket(Outcomes, 1, outcomesKept),
		bucket(Notifications, 1, 0),
		bucket(Digests, 1, 0),
		bucket(Silences, 1, 0),
		bucket(Processes, 1, 0),
	}
}

// Keys of the bucket [Monitors], which also holds recipients and settings: all
// three change with the same file.
const (
	monitorKey   = "monitor."
	recipientKey = "recipient."
	// SettingsKey is the key for the installation's [job.Settings].
	SettingsKey = "settings"
)

// NonMonitorKeys are filters for every key in [Monitors] that is not a monitor.
func NonMonitorKeys() []string { return []string{recipientKey + ">", SettingsKey} }

// MonitorKeys is the filter for the monitors in [Monitors].
const MonitorKeys = monitorKey + ">"

// MonitorKey is the key for a monitor's definition.
func MonitorKey(name string) string { return monitorKey + name }

// RecipientKey is the key for a recipient.
func RecipientKey(name string) string { return recipientKey + name }

// CutMonitorKey reverses [MonitorKey], and reports whether the key is a monitor's.
func CutMonitorKey(key string) (string, bool) { return strings.CutPrefix(key, monitorKey) }

// CutRecipientKey reverses [RecipientKey], and reports whether the key is a
// recipient's.
func CutRecipientKey(key string) (string, bool) { return strings.CutPrefix(key, recipientKey) }
