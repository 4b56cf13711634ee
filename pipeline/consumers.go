package pipeline

// Names of the consumers, which are those of the pools. They are the same in
// every process, since that is how processes share work, and what the rights
// of a role speak of.
const (
	ConsumerScheduler = "scheduler"
	ConsumerEvaluate  = "evaluate"
	ConsumerRecheck   = "evaluate-recheck"
	ConsumerNotify    = "notify"
	ConsumerFlush     = "notify-mailings"
	ConsumerSweep     = "notify-sweep"
	ConsumerMailCalls = "call-mail"

	ConsumerNotices     = "maintain-notices"
	ConsumerDeadLetters = "maintain-dead-letters"
	ConsumerDigest      = "maintain-digest"
	ConsumerRescue      = "maintain-rescue"
)

// ConsumerMails takes the mails of a class: [job.MailAlert], [job.MailAdhoc] or
// [job.MailOperator].
func ConsumerMails(class string) string { return "mail-" + class }

// ConsumerChecks takes the scheduled checks of a location.
func ConsumerChecks(location string) string { return "check-" + location }

// ConsumerAdhoc takes the ordered checks of a location.
func ConsumerAdhoc(location string) string { return "adhoc-" + location }

// ConsumerCheckCalls takes the checks of a location that somebody waits for.
func ConsumerCheckCalls(location string) string { return "call-check-" + location }
