package topology

import "strings"

// Consumer is a consumer on the server, from which the pools with its name in all
// processes take their jobs.
type Consumer struct {
	Name   string
	Stream Stream
	// Filter is the subject filter without prefix. Empty means all messages.
	Filter string
}

// SchedulerConsumer takes ticks.
func SchedulerConsumer() Consumer {
	return Consumer{Name: "scheduler", Stream: Tick, Filter: TickSubject("*")}
}

// CheckConsumer takes the scheduled checks for a location.
func CheckConsumer(location string) Consumer {
	return Consumer{Name: "check-" + location, Stream: Checks, Filter: CheckSubject(location, ">")}
}

// AdhocConsumer takes the ad-hoc checks for a location.
func AdhocConsumer(location string) Consumer {
	return Consumer{Name: "adhoc-" + location, Stream: Adhoc, Filter: AdhocSubject(location, ">")}
}

// CheckCallConsumer takes the checks for a location whose callers wait.
func CheckCallConsumer(location string) Consumer {
	return Consumer{Name: "call-check-" + location, Stream: Call, Filter: CallCheckSubject(location, ">")}
}

// EvaluateConsumer takes results.
func EvaluateConsumer() Consumer { return Consumer{Name: "evaluate", Stream: Result} }

// RecheckConsumer takes the timers for rechecks.
func RecheckConsumer() Consumer { return timerConsumer("evaluate-recheck", TimerRecheck) }

// NotifyConsumer takes state writes.
func NotifyConsumer() Consumer { return Consumer{Name: "notify", Stream: StateLog} }

// FlushConsumer takes the timers for notification groups.
func FlushConsumer() Consumer { return timerConsumer("notify-flush", TimerFlush) }

// SweepConsumer takes the timers for sweeps through the notification log.
func SweepConsumer() Consumer { return timerConsumer("notify-sweep", TimerSweep) }

// MailConsumer takes the mails in a class, one of [job.MailClasses].
func MailConsumer(class string) Consumer {
	return Consumer{Name: "mail-" + class, Stream: Mail, Filter: MailSubject(class, ">")}
}

// MailCallConsumer takes the mails whose callers wait.
func MailCallConsumer() Consumer {
	return Consumer{Name: "call-mail", Stream: Call, Filter: CallMailSubject(">")}
}

// NoticeConsumer takes notices.
func NoticeConsumer() Consumer { return Consumer{Name: "maintain-notices", Stream: Notice} }

// DeadLetterConsumer takes dead letters.
func DeadLetterConsumer() Consumer { return Consumer{Name: "maintain-dead-letters", Stream: Dead} }

// DigestConsumer takes the timers for digests.
func DigestConsumer() Consumer { return timerConsumer("maintain-digest", TimerDigest) }

// RescueConsumer takes advisories about stranded jobs.
func RescueConsumer() Consumer { return Consumer{Name: "maintain-rescue", Stream: Advisory} }

func timerConsumer(name, kind string) Consumer {
	return Consumer{Name: name, Stream: Timer, Filter: TimerSubject(kind, "*")}
}

// QueueNamed returns the consumer with a name if jobs can pile up before it.
func QueueNamed(name string) (Consumer, bool) {
	for _, consumer := range []Consumer{EvaluateConsumer(), NotifyConsumer(), MailCallConsumer()} {
		if name == consumer.Name {
			return consumer, true
		}
	}
	for _, named := range []func(string) Consumer{CheckConsumer, AdhocConsumer, CheckCallConsumer, MailConsumer} {
		if suffix, ok := strings.CutPrefix(name, named("").Name); ok {
			return named(suffix), true
		}
	}
	return Consumer{}, false
}

// StageOf returns the stage whose processes take jobs from a consumer, and the
// location if only those at one location do.
func StageOf(consumer string) (stage, location string) {
	for _, named := range []func(string) Consumer{CheckConsumer, AdhocConsumer, CheckCallConsumer} {
		if location, ok := strings.CutPrefix(consumer, named("").Name); ok {
			return "check", location
		}
	}
	switch first, _, _ := strings.Cut(consumer, "-"); {
	case consumer == SchedulerConsumer().Name:
		return "schedule", ""
	case consumer == MailCallConsumer().Name:
		return "mail", ""
	default: // as in notify-flush
		return first, ""
	}
}
